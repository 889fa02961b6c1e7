//! The protocol, against a scripted stand-in on a real dbus-daemon.

mod fake;
mod layering;
mod observing;
