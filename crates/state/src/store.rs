//! The store: blocks and flat state on disk, whole or not at all.
