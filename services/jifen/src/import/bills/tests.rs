use std::io::Write;

use super::*;

const MAPPING: &str = include_str!("../../../../../deploy/import/dms.toml");
const HEADER: &str =
    "结算单号,结算日期,结算时间,工单号,客户手机,车架号,车牌号,进厂里程,服务顾问,业务类型,付款方,金额,项目名称,整单优惠,抹零,状态";

fn row(number: &str, category: &str, amount: &str, rest: &str) -> String {
    format!("{number},2026-10-01,10:21:33,W-7,13800138000,,沪A12345,30210.0,A017,{category},客户,{amount},更换机油,{rest}")
}

/// What a file of these rows reads as: number or `-`, then either `ok` or the faults as `line column code`.
fn read(rows: &[String], from_line: u64) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, toml) = (folder.path().join("bills.csv"), folder.path().join("mapping.toml"));
    std::fs::write(&toml, MAPPING).expect("a file");
    let text = std::iter::once(HEADER.to_owned()).chain(rows.iter().cloned()).collect::<Vec<_>>().join("\r\n");
    // `?` stands for a byte that is no text in GB18030.
    let (bytes, _, _) = encoding_rs::GB18030.encode(&text);
    let bytes: Vec<u8> = bytes.iter().map(|byte| if *byte == b'?' { 0xff } else { *byte }).collect();
    std::fs::File::create(&path).and_then(|mut file| file.write_all(&bytes)).expect("a file");
    let mapping = Mapping::load(&toml).expect("the sample");
    let scan = Arc::new(scan(&path, &mapping, |_| ()).expect("a look"));
    let mut bills = Bills::open(&path, &mapping, StoreCode::try_new("SH01").expect("store"), scan, from_line).expect("bills");
    let shown = |faults: &[LineFault]| {
        faults.iter().map(|fault| format!("{} {} {}", fault.line, fault.column, fault.code)).collect::<Vec<_>>().join("; ")
    };
    let mut all = Vec::new();
    while let Some(item) = bills.next_item().expect("an item") {
        all.push(match item {
            Item::Stray(faults) => format!("- {}", shown(&faults)),
            Item::Bill(bill) => match bill.read {
                Ok(ready) => format!("{} ok {}", bill.number, serde_json::to_string(&ready.invoice).expect("json")),
                Err(faults) => format!("{} {}", bill.number, shown(&faults)),
            },
        });
    }
    all
}

#[test]
fn rows_of_one_number_become_one_bill() {
    let rows = [
        row("R1", "保养", "\"¥1,000.5000\"", "20,0.50,已结算"),
        row("R1", "配件零售", "120", ",0,已结算"),
        row("R0", "保养", "1", ",,作废"),
        row("R2", "机修", "3", ",,已结算"),
    ];
    let read = read(&rows, 0);
    assert_eq!(read.len(), 2, "{read:?}");
    let expected = r#"R1 ok {"store":"SH01","invoice_no":"R1","issued_at":"2026-10-01T10:21:33+08:00","work_order":"W-7","replaces":null,"customer":{"member_no":null,"phone":"13800138000","vin":null,"plate":"沪A12345"},"odometer_km":30210,"advisor":"A017","currency":"CNY","lines":[{"line":1,"category":"maintenance","payer":"customer","amount":"1000.50","principal":null,"description":"更换机油"},{"line":2,"category":"parts","payer":"customer","amount":"120.00","principal":null,"description":"更换机油"}],"reductions":[{"kind":"discount","amount":"20.00"},{"kind":"rounding","amount":"0.50"}]}"#;
    assert_eq!(read[0], expected);
    assert!(read[1].starts_with("R2 ok"), "{}", read[1]);
}

#[test]
fn every_line_that_is_not_imported_is_named() {
    let good = |number: &str| row(number, "保养", "10", ",,已结算");
    let cases: &[(&[String], &[&str])] = &[
        (&[good("R1"), row("R1", "抛光", "10", ",,已结算")], &["R1 2  import.incomplete; 3 业务类型 import.unmapped_value"]),
        (&[good("R1"), row("R1", "保养", "-1", ",,已结算")], &["R1 2  import.incomplete; 3 金额 document.bad_amount"]),
        (
            &[row("R1", "保养", "1", "5,,已结算"), row("R1", "保养", "1", "6,,已结算")],
            &["R1 2  import.incomplete; 3 整单优惠 import.rows_differ"],
        ),
        (&[good("R1").replace("2026-10-01", "01.10.2026")], &["R1 2 结算日期 + 结算时间 document.bad_date"]),
        (&[good("R1"), good("R1").replace("10:21:33", "10:21:34")], &["R1 2  import.incomplete; 3 结算日期 + 结算时间 import.rows_differ"]),
        (&[good("R1").replace("13800138000", "12345")], &["R1 2 客户手机 document.bad_field"]),
        (
            &[good("R1").replace("13800138000", "").replace("沪A12345", "")],
            &["R1 2 member_no + 客户手机 + 车架号 + 车牌号 document.no_customer"],
        ),
        // Its rows stand apart: which is the whole bill, nobody can say.
        (&[good("R1"), good("R2"), good("R1")], &["R1 2 结算单号 import.scattered", "R2 ok", "R1 4 结算单号 import.scattered"]),
        // A row without number may be of its neighbours: neither is sent.
        (
            &[good("R1"), good(""), good("R2"), good("R3")],
            &["- 3 结算单号 document.missing_field", "R1 2  import.incomplete", "R2 4  import.incomplete", "R3 ok"],
        ),
        (
            &[good("R1"), format!("{},x", good("R1")), good("R1"), good("R2")],
            &["- 3  import.wrong_columns", "R1 2  import.incomplete; 4  import.incomplete", "R2 ok"],
        ),
        (&[good("R1"), good("R1").replace("更换机油", "a?"), good("R2")], &["R1 2  import.incomplete; 3  import.bad_encoding", "R2 ok"]),
    ];
    for (rows, expected) in cases {
        let read = read(rows, 0);
        assert_eq!(read.len(), expected.len(), "{read:?}");
        for (read, expected) in read.iter().zip(*expected) {
            let same = if expected.ends_with(" ok") { read.starts_with(expected) } else { read == expected };
            assert!(same, "{read} is not {expected}");
        }
    }
    let many: Vec<String> = (0..=MAX_LINES).map(|_| good("R1")).collect();
    let refused = read(&many, 0);
    assert_eq!(refused[0], format!("- {} 结算单号 document.too_many_lines", MAX_LINES + 2).replace("结算单号", ""));
    assert_eq!(refused[1].matches("document.too_many_lines").count(), MAX_LINES);
}

#[test]
fn a_broken_off_import_goes_on_where_a_bill_begins() {
    let good = |number: &str| row(number, "保养", "10", ",,已结算");
    let rows = [good("R1"), good("R2"), good("R2"), good("R3")];
    for (from_line, numbers) in [(0, vec!["R1", "R2", "R3"]), (3, vec!["R2", "R3"]), (4, vec!["R3"]), (9, vec![])] {
        let read = read(&rows, from_line);
        assert_eq!(read.iter().map(|bill| &bill[..2]).collect::<Vec<_>>(), numbers, "{from_line}");
    }
}

#[test]
fn a_quote_that_nobody_closes_does_not_swallow_the_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bills.csv");
    let mapping: String = MAPPING.replace("gb18030\"", "utf-8\"");
    let toml = folder.path().join("mapping.toml");
    std::fs::write(&toml, mapping).expect("a file");
    let rows = "x".repeat(100).repeat(30_000);
    std::fs::write(&path, format!("{HEADER}\n\"{rows}\n{rows}")).expect("a file");
    let error = scan(&path, &Mapping::load(&toml).expect("the sample"), |_| ()).expect_err("refused");
    assert!(format!("{error:#}").contains("quote not closed") && format!("{error:#}").contains("line 2"), "{error:#}");
}

#[test]
fn a_row_over_several_lines_is_refused_before_anything_is_sent_unless_the_mapping_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let look = |rows: &[String], multiline: bool| {
        let (path, toml) = (folder.path().join("bills.csv"), folder.path().join("mapping.toml"));
        let mapping = MAPPING.replace("gb18030\"", "utf-8\"").replace("multiline = false", &format!("multiline = {multiline}"));
        std::fs::write(&toml, mapping).expect("a file");
        std::fs::write(&path, [&[HEADER.to_owned()], rows].concat().join("\r\n") + "\r\n").expect("a file");
        scan(&path, &Mapping::load(&toml).expect("the sample"), |_| ())
    };
    let good = |number: &str| row(number, "保养", "10", ",,已结算");
    let quoted = |number: &str, text: &str| good(number).replace("更换机油", text);
    // Typed and not closed in the last column: the columns of what is swallowed don't count.
    let swallowing = [good("R1"), row("R2", "保养", "10", ",,\"已结算"), good("R3"), good("R4")];
    let refused = format!("{:#}", look(&swallowing, false).expect_err("refused"));
    assert!(refused.contains("line 3") && refused.contains("line 6") && refused.contains("multiline"), "{refused}");
    let two = [good("R1"), quoted("R2", "\"更换\n机油\""), good("R3")];
    assert!(look(&two, false).is_err());
    assert_eq!(look(&two, true).expect("rows").bills, 3);
    let many: Vec<String> = (0..200).map(|number| good(&format!("R{number}"))).collect();
    let refused = look(&[vec![row("R", "保养", "10", ",,\"已结算")], many].concat(), true).expect_err("refused");
    assert!(format!("{refused:#}").contains("isn't closed"), "{refused:#}");
}
