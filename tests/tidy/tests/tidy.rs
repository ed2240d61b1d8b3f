//! The rules held against the tree. Why each exists stands at its function.

use jifen_tidy::{
    Finding,
    rules::{codes, dependencies, domain, migrations, services, sql, tests_that_fail, vendored},
    workspace::{self, Source, file, files},
};

/// Fails with every finding, each on its own line as `file:line: what`.
fn tidy(rule: &str, mut findings: Vec<Finding>) {
    findings.sort();
    let list: Vec<String> = findings.iter().map(|finding| format!("  {finding}")).collect();
    assert!(findings.is_empty(), "{rule}\n{}", list.join("\n"));
}

fn manifest(folder: &str) -> Source {
    file(&format!("{folder}/Cargo.toml")).unwrap_or_else(|| panic!("{folder} has a manifest"))
}

/// The Rust files of the services themselves, without their tests and the executable.
fn service_sources() -> Vec<Source> {
    let services = workspace::services();
    assert!(services.len() >= 7, "this test looks at the workspace: {services:?}");
    services.iter().flat_map(|service| files(&format!("services/{service}/src"), ".rs")).collect()
}

#[test]
fn no_service_depends_on_a_service() {
    let all = workspace::services();
    let found = all.iter().flat_map(|service| dependencies::service_on_service(&manifest(&format!("services/{service}")), service, &all));
    tidy("services meet in events and endpoints only", found.collect());
}

#[test]
fn what_everybody_shares_knows_no_driver() {
    let found = ["shared/kernel", "shared/contracts"].into_iter().flat_map(|folder| dependencies::drivers(&manifest(folder)));
    tidy("kernel and contracts stand without runtime, broker and database", found.collect());
}

#[test]
fn shared_crates_know_no_service() {
    let all = workspace::services();
    let found = workspace::folders("shared")
        .into_iter()
        .flat_map(|folder| dependencies::service_on_service(&manifest(&format!("shared/{folder}")), &format!("shared/{folder}"), &all));
    tidy("what is shared must not know who shares it", found.collect());
}

#[test]
fn domains_are_pure() {
    let sources: Vec<Source> = service_sources().into_iter().filter(|source| domain::is_domain(&source.path)).collect();
    assert!(!sources.is_empty(), "there are domains to look at");
    tidy("a decision is a function of what it is given", sources.iter().flat_map(domain::impure).collect());
}

#[test]
fn sql_stands_in_the_store() {
    let sources = service_sources();
    let elsewhere = sources.iter().filter(|source| !sql::is_store(&source.path));
    tidy("all SQL of a service stands in its store/", elsewhere.flat_map(sql::outside_the_store).collect());
}

#[test]
fn every_service_has_its_parts() {
    let mut found = Vec::new();
    for service in workspace::services() {
        let paths: Vec<String> = files(&format!("services/{service}"), "").into_iter().map(|source| source.path).collect();
        found.extend(services::missing_parts(&service, &paths));
        found.extend(file(&format!("services/{service}/src/lib.rs")).iter().flat_map(services::missing_crate_doc));
    }
    tidy("who knows one service finds his way in the next", found);
}

#[test]
fn durables_are_unique_and_protected() {
    let durables: Vec<services::Durable> = service_sources().iter().flat_map(services::durables).collect();
    assert!(!durables.is_empty(), "there are routing tables to look at");
    tidy("two readers under one durable name get half of the messages each", services::shared_durables(&durables));
    let rights = file("shared/infra/src/rights.rs").expect("the table of rights");
    tidy("a durable that the table of rights does not know is open to everybody", services::unprotected_durables(&durables, &rights));
}

#[test]
fn migrations_are_named_and_explained() {
    let mut found = Vec::new();
    for source in workspace::services().iter().flat_map(|service| files(&format!("services/{service}/migrations"), "")) {
        found.extend(migrations::badly_named(&source.path));
        found.extend(migrations::unexplained_indexes(&source));
        found.extend(migrations::floats(&source));
    }
    tidy("a migration says what it does and why", found);
}

#[test]
fn codes_are_answered_and_those_in_prose_exist() {
    let table = file("shared/contracts/src/code.rs").expect("the table of codes");
    assert!(codes::declared(&table).len() > 30, "the table is read");
    let sources: Vec<Source> = ["shared", "services"].into_iter().flat_map(|folder| files(folder, ".rs")).collect();
    tidy("a code is a promise: something must answer it", codes::unused(&table, &sources));
    let prose = ["README.md", "README.zh-CN.md", "CHANGELOG.md"]
        .into_iter()
        .filter_map(file)
        .chain(files("docs", ".md"))
        .chain(files("services", ".md"));
    tidy("a code in a document is one that exists", prose.flat_map(|prose| codes::unknown_in_prose(&prose, &table)).collect());
}

#[test]
fn tests_run_and_wait_for_conditions() {
    let everything: Vec<Source> = ["shared", "services", "tests"].into_iter().flat_map(|folder| files(folder, ".rs")).collect();
    tidy("a test runs or goes", everything.iter().flat_map(tests_that_fail::ignored).collect());
    let tests = everything.iter().filter(|source| source.path.contains("/tests/") && source.path.starts_with("services/"));
    tidy("a test waits for a condition, with a deadline", tests.flat_map(tests_that_fail::sleeps).collect());
}

#[test]
fn foreign_code_is_as_published_but_for_its_patch() {
    const FOLDER: &str = "vendor/async-nats";
    let sources = files(&format!("{FOLDER}/src"), "");
    assert!(sources.len() > 30, "there is foreign code to look at");
    let [hashes, patch] = ["upstream.sha256", "jifen.patch"].map(|name| file(&format!("{FOLDER}/{name}")).expect("it stands beside"));
    tidy("what is not ours is changed by its patch alone", vendored::changed_unawares(FOLDER, &sources, &hashes, &patch));
}
