//! jifen-ingest
