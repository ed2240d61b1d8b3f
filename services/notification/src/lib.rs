//! jifen-notification
