//! Documents that do not come over NATS: by HTTP, and from a DMS's export.

use std::path::Path;

use chrono::Days;
use jifen_e2e::{Client, System, alone, system::http, today};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    documents::{invoice, phone, register},
    operator::says,
};

#[tokio::test(flavor = "multi_thread")]
async fn documents_come_by_http_and_from_files() {
    let _alone = alone().await;
    let mut system = System::new();
    system.start().await;
    let client = system.client().await;
    let member_no = register(&client, 0, "SH01").await;
    let folder = with_campaign(&system).await;
    system.quiet(&client).await;
    by_http(&system, &client, &member_no).await;
    from_files(&system, &client, &member_no).await;
    simulated_equals_posted(&system, &client, &folder).await;
    says(&system.run(&["doctor"]).await.ok(), &["everything is well"]);
    system.stop(Signal::SIGTERM).await;
}

/// What the door answers.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    location: Option<String>,
    body: Value,
}

/// A store's client: its token, and headers of one request.
struct Pos<'a> {
    system: &'a System,
    token: String,
}

impl Pos<'_> {
    async fn ask(&self, request: &str, more: &[(&str, &str)], body: &[u8]) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let headers = [&[("Authorization", bearer.as_str()), ("Content-Type", "application/json")], more].concat();
        let text = http(&self.system.http_address(), request, &headers, body).await.expect("an answer");
        let (head, body) = text.split_once("\r\n\r\n").expect("head and body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let location = head.lines().find_map(|line| line.strip_prefix("location: ")).map(str::to_owned);
        Answer { status, location, body: serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}")) }
    }

    async fn post(&self, more: &[(&str, &str)], document: &Value) -> Answer {
        self.ask("POST /v1/documents/invoice", more, document.to_string().as_bytes()).await
    }

    /// Status and code of a refusal.
    async fn refused(&self, more: &[(&str, &str)], document: &Value) -> (u16, String) {
        let answer = self.post(more, document).await;
        (answer.status, answer.body["code"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned())
    }
}

async fn points(client: &Client, member_no: &str) -> i64 {
    let account = client.ask("api.points.account.get", &json!({ "member_no": member_no })).await.expect("an account");
    account["active"].as_i64().expect("points")
}

async fn by_http(system: &System, client: &Client, member_no: &str) {
    let printed = system.run(&["store", "credentials", "SH01"]).await.ok();
    says(&printed, &[&format!("POST http://{}/v1/documents/invoice", system.http_address())]);
    let token = printed.lines().find_map(|line| line.strip_prefix("http token")).and_then(|rest| rest.split_whitespace().next());
    let pos = Pos { system, token: token.expect("a token").to_owned() };
    let at = format!("{}T10:00:00+08:00", today() - Days::new(1));
    let bill =
        |number: &str, customer: usize, amount: &str| invoice("SH01", number, &at, &json!({ "phone": phone(customer) }), "repair", amount);

    let accepted = pos.post(&[("Idempotency-Key", "k-1")], &bill("H1", 0, "300")).await;
    assert_eq!((accepted.status, &accepted.body["status"]), (200, &json!("accepted")), "{accepted:?}");
    assert_eq!((&accepted.body["document"], &accepted.body["event_id"]), (&json!("H1"), &json!("k-1")), "{accepted:?}");
    assert_eq!(pos.post(&[("Idempotency-Key", "\"k-1\"")], &bill("H1", 0, "300")).await, accepted, "the same key, the same answer");
    let duplicate = pos.post(&[], &bill("H1", 0, "300")).await;
    assert_eq!((duplicate.status, &duplicate.body["status"]), (200, &json!("duplicate")), "{duplicate:?}");
    let again = pos.post(&[], &bill("H1", 0, "300")).await;
    assert_eq!((again.status, &again.body["status"]), (200, &json!("duplicate")), "at once again: {again:?}");
    assert_eq!(pos.refused(&[("Idempotency-Key", "k-1")], &bill("H2", 0, "1")).await, (422, "request.key_reused".to_owned()));
    assert_eq!(pos.refused(&[], &bill("H1", 0, "301")).await, (422, "document.conflict".to_owned()));

    let mut wrong = bill("H3", 0, "10");
    wrong["lines"][0]["amount"] = json!("-10");
    let rejected = pos.post(&[("Idempotency-Key", "k-3")], &wrong).await;
    assert_eq!((rejected.status, &rejected.body["code"]), (422, &json!("document.bad_amount")), "{rejected:?}");
    assert_eq!(rejected.body["pointer"], "/lines/0/amount", "{rejected:?}");
    assert!(rejected.body["text"]["zh"].as_str().is_some_and(|text| text.contains("金额")), "{rejected:?}");
    let status = pos.ask("GET /v1/documents/invoice/H3", &[], b"").await;
    assert_eq!((status.status, &status.body["status"]), (200, &json!("rejected")), "{status:?}");

    let parked = pos.post(&[], &bill("H/4", 7, "10")).await;
    assert_eq!((parked.status, &parked.body["status"]), (202, &json!("parked")), "{parked:?}");
    let location = parked.location.expect("where to ask");
    assert_eq!(location, "/v1/documents/invoice/H%2F4");
    let status = pos.ask(&format!("GET {location}"), &[], b"").await;
    assert_eq!((status.status, &status.body["status"]), (200, &json!("parked")), "{status:?}");
    let unknown = pos.ask("GET /v1/documents/invoice/H9", &[], b"").await;
    assert_eq!((unknown.status, &unknown.body["code"]), (404, &json!("document.not_found")), "{unknown:?}");

    let mut huge = bill("H5", 0, "10");
    huge["remark"] = json!("x".repeat(256 * 1024));
    assert_eq!(pos.refused(&[], &huge).await, (413, "document.too_large".to_owned()));
    let foreign = invoice("SH02", "H6", &at, &json!({ "phone": phone(0) }), "repair", "1");
    assert_eq!(pos.refused(&[], &foreign).await, (403, "request.other_store".to_owned()));
    let stranger = Pos { system, token: pos.token.replace("SH01", "SH02") };
    assert_eq!(stranger.refused(&[], &foreign).await, (401, "request.unauthorized".to_owned()));
    let gossip = pos.ask("POST /v1/documents/gossip", &[], b"{}").await;
    assert_eq!((gossip.status, &gossip.body["code"]), (404, &json!("document.unknown_kind")), "{gossip:?}");
    let put = pos.ask("PUT /v1/documents/invoice", &[], b"{}").await;
    assert_eq!((put.status, &put.body["code"]), (405, &json!("request.method")), "{put:?}");
    let openapi = pos.ask("GET /v1/openapi.json", &[], b"").await;
    assert_eq!((openapi.status, &openapi.body["openapi"]), (200, &json!("3.1.0")));
    assert!(openapi.body["paths"]["/v1/documents/invoice"]["post"].is_object());

    // So many at once as one key may bring: they count once.
    let (key, document) = (("Idempotency-Key", "k-7"), bill("H7", 0, "100"));
    let answers = futures_util::future::join_all((0..20).map(|_| pos.post(std::slice::from_ref(&key), &document))).await;
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.body["status"] == "accepted"), "{answers:?}");
    system.quiet(client).await;
    assert_eq!(points(client, member_no).await, 300 + 100 + 100);
}

const HEADER: &str =
    "结算单号,结算日期,结算时间,工单号,客户手机,车架号,车牌号,进厂里程,服务顾问,业务类型,付款方,金额,项目名称,整单优惠,抹零,状态";

async fn from_files(system: &System, client: &Client, member_no: &str) {
    let sample = include_str!("../../../../deploy/import/dms.toml");
    let sample = sample.replace("\"gb18030\"", "\"utf-8\"").replace("\"精品\"", "\"飞船\" = \"spaceship\"\n\"精品\"");
    let path = |name: &str| system.folder().join(name);
    let (mapping, file, errors) = (path("mapping.toml"), path("bills.csv"), path("bills.csv.errors.csv"));
    std::fs::write(&mapping, sample).expect("written");
    let day = today() - Days::new(1);
    let row = |number: &str, customer: usize, category: &str, amount: &str| {
        format!("{number},{day},11:00:00,,{},,,,,{category},客户,{amount},,,,已结算\n", phone(customer))
    };
    let import = async |more: &[&str]| {
        let of = |path: &Path| path.to_str().expect("a path").to_owned();
        let (file, mapping) = (of(&file), of(&mapping));
        system.run(&[&["import", file.as_str(), "--store", "SH01", "--mapping", mapping.as_str()], more].concat()).await
    };
    let rows = [
        row("C1", 0, "保养", "400"),
        row("C1", 0, "保养", "600.00"),
        row("C2", 8, "机修", "50"),
        row("C3", 0, "抛光", "70"),
        row("C4", 0, "飞船", "80"),
        row("C5", 0, "机修", "-90"),
        row("C6", 0, "机修", "100"),
    ];
    std::fs::write(&file, format!("{HEADER}\n{}", rows.concat())).expect("written");
    let tried = import(&["--dry-run"]).await;
    assert_eq!(tried.status.code(), Some(1), "{tried:?}");
    says(&tried.stdout, &["4 bills, 1230.00 yuan", "maintenance", "1000.00", "nothing was sent"]);
    assert_eq!(points(client, member_no).await, 500, "nothing was sent");

    for (accepted, duplicate) in [("accepted 2", "duplicate 0"), ("accepted 0", "duplicate 3")] {
        let output = import(&[]).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        says(&output.stdout, &[accepted, duplicate, "rejected 1", "not sent 2", "bills.csv.errors.csv"]);
        let listed = std::fs::read_to_string(&errors).expect("the errors");
        says(&listed, &["line,column,code,text_zh,text_en", "5,业务类型,import.unmapped_value", "6,业务类型,document.unknown_category"]);
        says(&listed, &["7,金额,document.bad_amount"]);
        assert_eq!(listed.lines().count(), 4, "{listed}");
    }
    // Mended, the rest is taken, and nothing is left to say.
    let mended = rows.concat().replace("抛光", "保养").replace("飞船", "机修").replace("-90", "90");
    std::fs::write(&file, format!("{HEADER}\n{mended}")).expect("written");
    says(&import(&["--from-line", "4"]).await.ok(), &["accepted 3", "duplicate 2", "rejected 0"]);
    assert!(!errors.exists(), "no error is left");
    system.quiet(client).await;
    assert_eq!(points(client, member_no).await, 500 + 1500 + 105 + 80 + 90 + 100 + BUDGET);
}

/// What the campaign may bring: less than is due.
const BUDGET: i64 = 1_550;

/// The default program with a campaign that doubles maintenance, in force since the day before yesterday. Gives its folder.
async fn with_campaign(system: &System) -> String {
    let folder = system.folder().join("program").to_str().expect("a path").to_owned();
    system.run(&["program", "get", "--into", &folder]).await.ok();
    let from = today() - Days::new(2);
    let campaign = format!(
        "[[campaign]]\ncode = \"double\"\nname = {{ zh = \"双倍\", en = \"double\" }}\nfactor = \"2\"\nfrom = {from}\nto = {}\n\
         categories = [\"maintenance\"]\nbudget = {BUDGET}\n",
        today()
    );
    std::fs::write(Path::new(&folder).join("campaigns.toml"), campaign).expect("written");
    system.run(&["program", "apply", &folder, "--effective-from", &from.to_string()]).await.ok();
    folder
}

/// The same invoices through the system and through the simulation bring the same points.
async fn simulated_equals_posted(system: &System, client: &Client, folder: &str) {
    let counts = client.ask("api.points.account.counts", &json!({})).await.expect("counts");
    let output = system.run(&["simulate", folder, "--recorded"]).await.ok();
    let simulated = |kind: &str| {
        let row = output.lines().find(|line| line.trim_start().starts_with(kind)).unwrap_or_else(|| panic!("no {kind}: {output}"));
        row.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    for kind in ["accrual", "first_spending", "bonus"] {
        let posted = counts["counts"][format!("points/{kind}")].to_string();
        assert_eq!(simulated(kind)[..3], [posted.clone(), posted, "+0".to_owned()], "{kind}: {output} {counts}");
    }
    // Without the campaign it would have cost less; the files of the imported bills say the same as what was recorded.
    std::fs::write(Path::new(folder).join("campaigns.toml"), "").expect("written");
    let output = system.run(&["simulate", folder, "--recorded"]).await.ok();
    says(&output, &["version 2, in force", &format!("-{BUDGET}")]);
    let mapping = system.folder().join("mapping.toml").to_str().expect("a path").to_owned();
    let file = system.folder().join("bills.csv").to_str().expect("a path").to_owned();
    let output = system.run(&["simulate", folder, "--alone", "--invoices", &file, "--mapping", &mapping, "--store", "SH01"]).await.ok();
    says(&output, &["6 invoices of 2 customers replayed", "SH01"]);
}
