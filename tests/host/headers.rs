//! What objects say of their content: it goes where they go.

use std::path::Path;

use crate::bucket_sources::collecting;
use crate::compression::table;
use crate::host::{DATA, Host};
use crate::interrupted::noise;
use crate::store::{Says, minio};
use crate::tree::office;

/// Everything that an object can say, under names in which ours would be, too.
fn everything() -> Says {
    Says {
        cache_control: Some("max-age=60".to_owned()),
        content_disposition: Some("attachment; filename=\"x.pdf\"".to_owned()),
        content_encoding: None,
        content_language: Some("it".to_owned()),
        content_type: Some("application/pdf".to_owned()),
        own: [("owner", "office"), ("sha256", "not ours")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    }
}

/// The same without a user's own.
fn system(says: Says) -> Says {
    Says {
        own: [].into(),
        ..says
    }
}

#[test]
fn what_an_object_says_of_its_content_goes_where_it_goes() {
    let (host, source) = collecting("in/");
    let (small, large) = (b"small".to_vec(), noise(5, 20 << 20));
    let encoded = Says {
        content_encoding: Some("gzip".to_owned()),
        ..Says::default()
    };
    // It would shrink, and says that it is encoded already.
    let packed = table(100_000).into_bytes();
    host.write_policy(&minio(), |policy| {
        let place = format!("path: {{directory: {}}}", host.root().display());
        let bucket = format!("bucket: {{name: {source}, prefix: in/}}");
        let compressing = "-documents, compression: {algorithm: Zstd}}\n";
        policy
            .replace(&place, &bucket)
            .replace("-documents}\n", compressing)
    });
    host.store
        .put_saying(&source, "in/a.jpg", &small, &everything());
    host.store
        .put_saying(&source, "in/b.jpg", &large, &everything());
    host.store
        .put_saying(&source, "in/c.txt", &packed, &encoded);
    host.store.put(&source, "in/d.txt", b"says nothing");
    host.backup().expect(0);

    let photos = host.bucket("photos");
    let says = |name: &str| host.store.says(&photos, &format!("{DATA}{name}"));
    for name in ["a.jpg", "b.jpg"] {
        let said = says(name);
        assert_eq!(said.own.get("owner").map(String::as_str), Some("office"));
        assert_ne!(said.own.get("sha256").map(String::as_str), Some("not ours"));
        assert_eq!(system(said), system(everything()), "{name}");
    }
    let documents = host.bucket("documents");
    let copy = format!("{DATA}c.txt");
    assert_eq!(host.store.get(&documents, &copy), packed);
    assert_eq!(system(host.store.says(&documents, &copy)), encoded);

    let out = host.bucket("out");
    host.store.make_bucket(&out);
    let to = format!("s3://{out}/");
    host.restore(Path::new(&to), &[]).expect(0);
    assert_eq!(host.store.says(&out, "a.jpg"), everything());
    assert_eq!(host.store.says(&out, "b.jpg"), everything());
    assert_eq!(host.store.says(&out, "c.txt"), encoded);
    // No file can have such attributes, and none is missed.
    let report = host.restore(&host.at("files"), &[]).expect(0);
    assert_eq!(report.entries.metadata_partial, 0, "{report:?}");
}

#[test]
fn a_file_becomes_an_object_of_the_type_that_its_name_suggests() {
    let host = Host::new();
    office(&host.root());
    std::fs::write(host.root().join("photos-of.jpg"), "picture").unwrap();
    host.backup().expect(0);
    let key = format!("{DATA}photos-of.jpg");
    let says = host.store.says(&host.bucket("photos"), &key);
    assert_eq!(says.content_type.as_deref(), Some("image/jpeg"));
}
