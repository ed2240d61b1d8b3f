//! Writes `holidays.toml` of every preset anew: when the library knows the arrangement of one more year.

use std::{fs, io, path::Path};

const HEAD: &str = "\
# 节假日表：法定放假日（off）、调休上班日（work）、只有名称的节日（named）。工作日与活动中的节日以此为准。
# Days off, make-up working days, and festivals that are no day off: what working days and the festivals of campaigns go by.
# 放假安排由国务院办公厅每年秋季公布次年的；尚未公布的年份只列法定的十三天，没有调休，公布后请在此补全。
# The office announces one year at a time, in the autumn before. Years not announced have the thirteen days of the law and no
# make-up day: complete them here then. `program check` warns where a campaign needs them.
";

fn main() -> io::Result<()> {
    let text = format!("{HEAD}{}", jifen_program::holidays_toml(&jifen_rules::seed::holidays(2026..=2035)));
    for preset in jifen_program::PRESETS {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/programs").join(preset).join("holidays.toml"), &text)?;
    }
    Ok(())
}
