//! A warehouse on S3. Runs only when the environment names a server with an
//! existing bucket: `WEIR_TEST_S3=http://127.0.0.1:5000/bucket`.

mod common;

use common::*;
use weir_core::DataType;
use weir_lake::PaimonCatalog;
use weir_spec::Catalog;

#[test]
fn write_commit_and_read() {
    let Ok(server) = std::env::var("WEIR_TEST_S3") else { return };
    let (endpoint, bucket) = server.rsplit_once('/').unwrap();
    let warehouse = format!("s3://{bucket}/w{}", std::process::id());
    let bare = endpoint.split_once("://").unwrap().1;
    let cat = PaimonCatalog::open(options(&[
        ("type", "paimon"),
        ("warehouse", &warehouse),
        ("s3.endpoint", bare),
        ("s3.ssl.enabled", "false"),
        ("s3.access-key", "test"),
        ("s3.secret-key", "test"),
        ("s3.path.style.access", "true"),
    ]))
    .unwrap();
    let columns = [("id", DataType::bigint().not_null()), ("name", DataType::string())];
    let with =
        [("bucket", "2"), ("snapshot.num-retained.min", "1"), ("snapshot.num-retained.max", "2")];
    cat.create_table("default", "t", table(&columns, &["id"], &[], &with)).unwrap();
    // Credentials are the catalog's, not the table's.
    let stored = cat.table("default", "t").unwrap().unwrap();
    assert!(stored.options.iter().all(|(k, _)| !k.starts_with("s3.")));
    for epoch in 1..=12u64 {
        let mut job = Job::new(&sink_spec(spec(&cat, "t", &[])), 2);
        job.write(&[(0, vec![int(1), s("a")]), (0, vec![int(epoch as i64), s("b")])]);
        job.commit(epoch);
    }
    let got = read(&source_spec(spec(&cat, "t", &[]), true), 2);
    assert_eq!(got.len(), 12);
    assert_eq!(cat.list_tables("default").unwrap(), ["t"]);
    cat.drop_table("default", "t").unwrap();
    assert!(cat.list_tables("default").unwrap().is_empty());
}
