//! Hosts in a cluster.
