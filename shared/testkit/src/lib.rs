//! jifen-testkit
