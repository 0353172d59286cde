//! Where the servers are that the tests talk to.

/// A variable of the environment, without which there is nothing to test.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: these tests talk to real S3 servers. Run them with `make test`, \
             or start the servers with `tests/cluster/stores up` and take their addresses with \
             `eval \"$(tests/cluster/stores env)\"`"
        )
    })
}
