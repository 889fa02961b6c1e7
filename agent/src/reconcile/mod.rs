//! The loop that joins the parts: one pass at a time, whenever something may have changed.
//!
//! Decides: when a pass runs. Must not: decide what a pass does. Input: the wish, wake-ups of the host, and a timer.
