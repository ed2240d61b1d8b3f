//! jifen-campaign
