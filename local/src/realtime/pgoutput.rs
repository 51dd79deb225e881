//! Reads `pgoutput`, Postgres' own format of logical replication, in its first version: no transaction is
//! streamed before its end, and no value is binary.

use std::sync::Arc;

/// Microseconds between 1970 and 2000, from which Postgres counts.
const EPOCH_2000_US: i64 = 946_684_800_000_000;

/// Why a message cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message of pgoutput is cut short or of another version")]
pub(super) struct Unreadable;

/// A column of a relation, as pgoutput tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// Its name.
    pub(super) name: String,
    /// The oid of its type.
    pub(super) type_oid: u32,
    /// Whether it is of the replica identity.
    pub(super) is_key: bool,
}

/// A table, as pgoutput tells it before its first change and after each `alter table`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    /// Its oid.
    pub(super) oid: u32,
    /// Its schema.
    pub(super) schema: String,
    /// Its name.
    pub(super) table: String,
    /// Its columns in order.
    pub(super) columns: Vec<Column>,
}

/// A value of a changed row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    /// No value.
    Null,
    /// A long value that did not change and is not told.
    Unchanged,
    /// The value as Postgres prints it.
    Text(Arc<str>),
}

/// The values of a row, in the order of the relation's columns.
pub(super) type Row = Vec<Cell>;

/// What pgoutput says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A transaction begins: when it was committed, in microseconds since 1970.
    Begin(i64),
    /// A table, to which later changes refer by its oid.
    Relation(Relation),
    /// A new row.
    Insert { oid: u32, new: Row },
    /// A changed row; the old one only if its key changed, or if the table's replica identity is full.
    Update { oid: u32, old: Option<Row>, new: Row },
    /// A deleted row: its key, or all of it if the table's replica identity is full.
    Delete { oid: u32, old: Row },
    /// What nobody here needs: ends of transactions, truncations, types.
    Other,
}

/// Reads one message.
pub(super) fn read(message: &[u8]) -> Result<Event, Unreadable> {
    let mut bytes = Bytes(message);
    Ok(match bytes.u8()? {
        b'B' => {
            let _final_lsn = bytes.u64()?;
            let committed = i64::from_be_bytes(bytes.u64()?.to_be_bytes());
            Event::Begin(committed.saturating_add(EPOCH_2000_US))
        }
        b'R' => Event::Relation(relation(&mut bytes)?),
        b'I' => {
            let oid = bytes.u32()?;
            bytes.expect(b'N')?;
            Event::Insert {
                oid,
                new: row(&mut bytes)?,
            }
        }
        b'U' => {
            let oid = bytes.u32()?;
            let (old, mark) = match bytes.u8()? {
                b'K' | b'O' => (Some(row(&mut bytes)?), bytes.u8()?),
                mark => (None, mark),
            };
            if mark != b'N' {
                return Err(Unreadable);
            }
            Event::Update {
                oid,
                old,
                new: row(&mut bytes)?,
            }
        }
        b'D' => {
            let oid = bytes.u32()?;
            if !matches!(bytes.u8()?, b'K' | b'O') {
                return Err(Unreadable);
            }
            Event::Delete {
                oid,
                old: row(&mut bytes)?,
            }
        }
        _ => Event::Other,
    })
}

fn relation(bytes: &mut Bytes<'_>) -> Result<Relation, Unreadable> {
    let oid = bytes.u32()?;
    let (schema, table) = (bytes.text()?, bytes.text()?);
    let _replica_identity = bytes.u8()?;
    let count = bytes.u16()?;
    let mut columns = Vec::new();
    for _ in 0..count {
        let flags = bytes.u8()?;
        let name = bytes.text()?;
        let type_oid = bytes.u32()?;
        let _type_modifier = bytes.u32()?;
        columns.push(Column {
            name,
            type_oid,
            is_key: flags & 1 == 1,
        });
    }
    // An empty name stands for pg_catalog.
    let schema = if schema.is_empty() {
        "pg_catalog".to_owned()
    } else {
        schema
    };
    Ok(Relation {
        oid,
        schema,
        table,
        columns,
    })
}

fn row(bytes: &mut Bytes<'_>) -> Result<Row, Unreadable> {
    let count = bytes.u16()?;
    let mut row = Vec::new();
    for _ in 0..count {
        row.push(match bytes.u8()? {
            b'n' => Cell::Null,
            b'u' => Cell::Unchanged,
            b't' => {
                let length = usize::try_from(bytes.u32()?).map_err(|_| Unreadable)?;
                let text = std::str::from_utf8(bytes.take(length)?).map_err(|_| Unreadable)?;
                Cell::Text(text.into())
            }
            _ => return Err(Unreadable),
        });
    }
    Ok(row)
}

/// What is left of a message.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, left) = self.0.split_at_checked(count).ok_or(Unreadable)?;
        self.0 = left;
        Ok(taken)
    }

    fn array<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], Unreadable> {
        self.take(COUNT)?.try_into().map_err(|_| Unreadable)
    }

    fn u8(&mut self) -> Result<u8, Unreadable> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16, Unreadable> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, Unreadable> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, Unreadable> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    fn expect(&mut self, mark: u8) -> Result<(), Unreadable> {
        if self.u8()? == mark {
            Ok(())
        } else {
            Err(Unreadable)
        }
    }

    /// A text that ends with a zero.
    fn text(&mut self) -> Result<String, Unreadable> {
        let end = self.0.iter().position(|&byte| byte == 0).ok_or(Unreadable)?;
        let text = std::str::from_utf8(self.take(end)?).map_err(|_| Unreadable)?;
        self.expect(0)?;
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// As many messages as a second or so is enough for.
    const CASES: u64 = 20_000;

    fn text(rng: &mut StdRng) -> String {
        let letters = ['a', 'Z', ' ', '"', '\\', 'ü', '🦞', '{'];
        (0..rng.random_range(0..9))
            .map(|_| letters[rng.random_range(0..letters.len())])
            .collect()
    }

    fn cell(rng: &mut StdRng) -> Cell {
        match rng.random_range(0..4) {
            0 => Cell::Null,
            1 => Cell::Unchanged,
            _ => Cell::Text(text(rng).into()),
        }
    }

    fn row(rng: &mut StdRng) -> Row {
        (0..rng.random_range(0..6)).map(|_| cell(rng)).collect()
    }

    fn event(rng: &mut StdRng) -> Event {
        let oid = rng.random();
        match rng.random_range(0..5) {
            0 => Event::Begin(rng.random_range(0..4_000_000_000_000_000)),
            1 => Event::Relation(Relation {
                oid,
                schema: format!("s{}", text(rng)),
                table: text(rng),
                columns: (0..rng.random_range(0..6))
                    .map(|_| Column {
                        name: text(rng),
                        type_oid: rng.random(),
                        is_key: rng.random(),
                    })
                    .collect(),
            }),
            2 => Event::Insert { oid, new: row(rng) },
            3 => Event::Update {
                oid,
                old: rng.random::<bool>().then(|| row(rng)),
                new: row(rng),
            },
            _ => Event::Delete { oid, old: row(rng) },
        }
    }

    /// What Postgres' documentation says that it sends.
    fn written(event: &Event) -> Vec<u8> {
        let mut bytes = Vec::new();
        let write_row = |bytes: &mut Vec<u8>, row: &Row| {
            bytes.extend(u16::try_from(row.len()).expect("few").to_be_bytes());
            for cell in row {
                match cell {
                    Cell::Null => bytes.push(b'n'),
                    Cell::Unchanged => bytes.push(b'u'),
                    Cell::Text(text) => {
                        bytes.push(b't');
                        bytes.extend(u32::try_from(text.len()).expect("short").to_be_bytes());
                        bytes.extend(text.as_bytes());
                    }
                }
            }
        };
        match event {
            Event::Begin(at_us) => {
                bytes.push(b'B');
                bytes.extend(7_u64.to_be_bytes());
                bytes.extend((at_us - EPOCH_2000_US).to_be_bytes());
                bytes.extend(9_u32.to_be_bytes());
            }
            Event::Relation(relation) => {
                bytes.push(b'R');
                bytes.extend(relation.oid.to_be_bytes());
                for name in [&relation.schema, &relation.table] {
                    bytes.extend(name.as_bytes());
                    bytes.push(0);
                }
                bytes.push(b'd');
                bytes.extend(u16::try_from(relation.columns.len()).expect("few").to_be_bytes());
                for column in &relation.columns {
                    bytes.push(u8::from(column.is_key));
                    bytes.extend(column.name.as_bytes());
                    bytes.push(0);
                    bytes.extend(column.type_oid.to_be_bytes());
                    bytes.extend(u32::MAX.to_be_bytes());
                }
            }
            Event::Insert { oid, new } => {
                bytes.push(b'I');
                bytes.extend(oid.to_be_bytes());
                bytes.push(b'N');
                write_row(&mut bytes, new);
            }
            Event::Update { oid, old, new } => {
                bytes.push(b'U');
                bytes.extend(oid.to_be_bytes());
                if let Some(old) = old {
                    bytes.push(b'K');
                    write_row(&mut bytes, old);
                }
                bytes.push(b'N');
                write_row(&mut bytes, new);
            }
            Event::Delete { oid, old } => {
                bytes.push(b'D');
                bytes.extend(oid.to_be_bytes());
                bytes.push(b'O');
                write_row(&mut bytes, old);
            }
            Event::Other => bytes.push(b'C'),
        }
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        for seed in 0..CASES {
            let event = event(&mut StdRng::seed_from_u64(seed));
            assert_eq!(read(&written(&event)), Ok(event), "seed {seed}");
        }
    }

    #[test]
    fn what_is_cut_short_or_damaged_is_an_error_and_no_panic() {
        for seed in 0..CASES {
            let rng = &mut StdRng::seed_from_u64(seed);
            let mut bytes = written(&event(rng));
            let length = rng.random_range(0..bytes.len());
            let begun = read(&bytes[..length]);
            assert!(
                begun.is_err() || matches!(begun, Ok(Event::Begin(_))),
                "seed {seed}: {begun:?}"
            );
            for _ in 0..4 {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
            let _any = read(&bytes);
        }
        assert_eq!(read(&[]), Err(Unreadable));
    }
}
