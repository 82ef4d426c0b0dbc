//! The binary's commands on chains on disk: `init`, `import`, `export`, `import-snapshot`, `db` and `proof`, on real chains.

mod damage;
mod import;
mod kills;
mod proof;
mod snapshot;
mod support;
