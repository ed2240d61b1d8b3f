//! Writes `schemas/`: one JSON Schema a message, and `asyncapi.json`. Files that no message has any more are deleted; the
//! examples are written by hand and left alone.

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
    fs::create_dir_all(&folder)?;
    let files = jifen_contracts::catalogue::files();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.extension().is_some_and(|kind| kind == "json") && !files.contains_key(&name) {
            fs::remove_file(&path)?;
        }
    }
    for (name, text) in &files {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}
