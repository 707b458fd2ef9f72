//! Either database alone, whatever the others run on: TLS to PostgreSQL as `sslmode` in the URL asks for it, a writer that
//! freezes, and a file that cannot grow.

use domain::Secret;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use test_postgres::Cluster;

use super::*;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for 127.0.0.1 and its key.
    fn issue(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        (parameters.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

/// Whether the registry's connection is encrypted.
async fn is_encrypted(cluster: &Cluster, parameters: &str) -> Result<bool, StoreError> {
    let local = cluster.fresh_database();
    let name = local["postgres:///".len()..].split('?').next().unwrap();
    let url = Secret::new(format!("postgres://faregate@{}/{name}?{parameters}", cluster.address()));
    let pool = Pool::open(&Database::Postgres { url }).await?;
    let seen = test_postgres::query(
        &local,
        "select distinct ssl from pg_stat_ssl join pg_stat_activity using (pid)
         where application_name = 'faregate registry' and datname = current_database()",
    );
    pool.close().await;
    Ok(seen == "t")
}

#[tokio::test]
async fn sslmode_is_obeyed_and_a_server_with_another_certificate_is_refused() {
    let (ours, other) = (Authority::new(), Authority::new());
    let (certificate, key) = ours.issue();
    let cluster = Cluster::start_tls(&certificate, &key);
    let folder = tempfile::tempdir().unwrap();
    let root = |name: &str, authority: &Authority| {
        let path = folder.path().join(name);
        std::fs::write(&path, authority.0.pem()).unwrap();
        format!("sslrootcert={}", path.display())
    };
    let (good, bad) = (root("good.pem", &ours), root("bad.pem", &other));
    assert!(!is_encrypted(&cluster, "sslmode=disable").await.unwrap());
    assert!(is_encrypted(&cluster, "sslmode=require").await.unwrap());
    assert!(is_encrypted(&cluster, &format!("sslmode=verify-full&{good}")).await.unwrap());
    for parameters in [format!("sslmode=verify-full&{bad}"), "sslmode=verify-full".to_owned()] {
        let error = is_encrypted(&cluster, &parameters).await.expect_err("a certificate of nobody we know");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn a_primary_that_waits_for_a_standby_is_told_from_one_that_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Pool::open(&Database::Sqlite { directory: folder.path().to_owned() }).await.unwrap();
    assert_eq!(sqlite.synchronous_standby().await.unwrap(), None);
    let cluster = Cluster::start();
    let url = cluster.fresh_database();
    let pool = Pool::open(&Database::Postgres { url: Secret::new(url.clone()) }).await.unwrap();
    assert_eq!(pool.synchronous_standby().await.unwrap(), Some(false));
    let _ = test_postgres::query(&url, "alter system set synchronous_standby_names = 'elsewhere'");
    let _ = test_postgres::query(&url, "select pg_reload_conf()");
    // The server reads its configuration when its signal arrives.
    while pool.synchronous_standby().await.unwrap() == Some(false) {
        tokio::task::yield_now().await;
    }
    pool.close().await;
}

#[tokio::test]
async fn no_connection_compiles_what_it_executes() {
    let url = test_postgres::compiling_database();
    let database = Database::Postgres { url: Secret::new(url) };
    let served = Pool::open(&database).await.unwrap();
    let looked_at = Pool::open_existing(&database).await.unwrap().unwrap();
    for pool in [served, looked_at] {
        let mut transactions = [pool.begin_apart().await.unwrap(), pool.snapshot().await.unwrap()];
        for transaction in &mut transactions {
            let Transaction::Postgres(connection) = transaction else { panic!("no PostgreSQL") };
            let jit: String = sqlx::query_scalar("show jit").fetch_one(&mut **connection).await.unwrap();
            assert_eq!(jit, "off");
        }
        drop(transactions);
        pool.close().await;
    }
}

#[tokio::test]
async fn what_a_database_is_set_to_does_not_weaken_a_commit() {
    let url = test_postgres::fresh_database();
    let set = "do $$ begin execute format('alter database %I set synchronous_commit = off', current_database()); end $$";
    assert_eq!(test_postgres::query(&url, set), "");
    let pool = Pool::open(&Database::Postgres { url: Secret::new(url) }).await.unwrap();
    for mut transaction in [pool.begin().await.unwrap(), pool.begin_apart().await.unwrap()] {
        let Transaction::Postgres(connection) = &mut transaction else { panic!("no PostgreSQL") };
        let waits: String =
            sqlx::query_scalar("show synchronous_commit").fetch_one(&mut **connection).await.unwrap();
        assert_eq!(waits, "on");
    }
    pool.close().await;
}

#[tokio::test]
async fn a_writer_that_freezes_does_not_keep_its_successor_from_writing() {
    let database = Database::Postgres { url: Secret::new(test_postgres::fresh_database()) };
    let frozen = Pool::open(&database).await.unwrap();
    let next = Pool::open(&database).await.unwrap();
    let held = frozen.begin().await.unwrap();
    next.begin().await.expect("the lock of a writer that says nothing").commit().await.unwrap();
    held.commit().await.expect_err("it was put out");
}

#[tokio::test]
async fn c14_a_connection_that_ran_out_of_space_is_not_begun_with_again() {
    let folder = tempfile::tempdir().unwrap();
    let pool = Pool::open(&Database::Sqlite { directory: folder.path().to_owned() }).await.unwrap();
    let mut transaction = pool.begin().await.unwrap();
    let sql = "create table large (bytes blob)";
    execute!(&mut transaction.session(), sqlx::query(sql)).unwrap();
    transaction.commit().await.unwrap();
    for connections in [pool.clone(), pool.apart()] {
        // More often than there are connections: each of them has failed by then, if it is still there.
        for _ in 0..=CONNECTIONS_MAX {
            let mut transaction = connections.begin().await.expect("a connection that can write");
            let mut session = transaction.session();
            // What is there is the most that may be: for this one connection.
            execute!(&mut session, sqlx::query("pragma max_page_count = 1")).unwrap();
            let large = "insert into large values (zeroblob(1000000))";
            let full = execute!(&mut session, sqlx::query(large)).unwrap_err();
            assert!(full.to_string().contains("full"), "{full}");
        }
        connections.begin().await.expect("a connection that can write").commit().await.unwrap();
    }
    pool.close().await;
}
