//! jifen-e2e
