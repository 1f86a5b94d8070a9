#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::search::Found;
use super::*;

struct Plain {
    time: i64,
    class: u32,
    flags: u8,
    name: String,
}

fn filled(rows: &[Plain]) -> Index {
    let mut index = Index::new(1, true);
    let mut text = TextBuilder::default();
    for row in rows {
        let text = text
            .begin()
            .add(Field::Device, "x")
            .add(Field::CommonName, &row.name)
            .end();
        let (time, class, flags) = (row.time, row.class, row.flags);
        index.push(&Row {
            time,
            end: time + 10,
            class,
            flags,
            text,
        });
    }
    index
}

fn search(index: &Index, filter: Filter, skip: u64, take: usize) -> Found {
    Snapshot::begin(index, filter, skip, take)
        .unwrap()
        .finish()
        .unwrap()
}

fn many(count: usize) -> Vec<Plain> {
    (0..count)
        .map(|n| Plain {
            time: n as i64,
            class: (n % 3) as u32,
            flags: u8::from(n % 1000 == 0),
            name: format!("Host-{n:06}"),
        })
        .collect()
}

#[test]
fn pages_run_through_all_blocks_newest_first() {
    let count = BLOCK_ROWS * 2 + 100;
    let index = filled(&many(count));
    assert_eq!(index.len(), count as u64);
    let mut seen = Vec::new();
    for page in 0..(count as u64).div_ceil(1000) {
        let found = search(&index, Filter::default(), page * 1000, 1000);
        assert_eq!(found.total, count as u64);
        seen.extend(found.rows);
    }
    let expected: Vec<u64> = (1..=count as u64).rev().collect();
    assert_eq!(seen, expected);
}

#[test]
fn filters_hold_together() {
    let index = filled(&many(BLOCK_ROWS + 1000));
    let filter = Filter {
        classes: Some(vec![true, false, false]),
        since: Some(999),
        until: Some(9001),
        flags: Some(1),
        needles: vec![Needle::part("HOST-00").unwrap()],
        ..Filter::default()
    };
    let found = search(&index, filter, 0, 10);
    assert_eq!(
        found.rows,
        vec![9001, 6001, 3001],
        "numbers are one above the count"
    );
    let ended = Filter {
        ended_by: Some(12),
        ..Filter::default()
    };
    assert_eq!(search(&index, ended, 0, 10).rows, vec![3, 2, 1]);
    let running = Filter {
        ends_after: Some(12),
        ..Filter::default()
    };
    assert_eq!(search(&index, running, 0, 0).total, index.len() - 3);
}

#[test]
fn two_threads_find_what_one_would() {
    let count = BLOCK_ROWS * 20;
    let mut index = filled(&many(count));
    index.prune(BLOCK_ROWS as u64 + 5);
    let needle = || vec![Needle::part("7").unwrap()];
    let expected: Vec<u64> = (BLOCK_ROWS as u64 + 4..count as u64)
        .rev()
        .filter(|n| n.to_string().contains('7'))
        .map(|n| n + 1)
        .collect();
    for skip in [0, 5, 30_000, expected.len() as u64 - 3] {
        let filter = Filter {
            needles: needle(),
            ..Filter::default()
        };
        let found = search(&index, filter, skip, 10);
        assert_eq!(found.total, expected.len() as u64);
        let page: Vec<u64> = expected
            .iter()
            .skip(skip as usize)
            .take(10)
            .copied()
            .collect();
        assert_eq!(found.rows, page);
    }
}

#[test]
fn a_whole_needle_is_not_satisfied_by_a_part() {
    let rows = ["ab", "abc", "zab", "AB"].map(|name| Plain {
        time: 0,
        class: 0,
        flags: 0,
        name: name.to_owned(),
    });
    let index = filled(&rows);
    let whole = Filter {
        needles: vec![Needle::whole(Field::CommonName, "aB")],
        ..Filter::default()
    };
    assert_eq!(search(&index, whole, 0, 10).rows, vec![4, 1]);
    let part = Filter {
        needles: vec![Needle::part("aB").unwrap()],
        ..Filter::default()
    };
    assert_eq!(search(&index, part, 0, 10).total, 4);
    let other = Filter {
        needles: vec![Needle::whole(Field::Serial, "ab")],
        ..Filter::default()
    };
    assert_eq!(search(&index, other, 0, 10).total, 0);
}

#[test]
fn a_search_does_not_run_from_one_piece_into_the_next() {
    let mut index = Index::new(1, false);
    let mut text = TextBuilder::default();
    let row = text
        .begin()
        .add(Field::Device, "abc\n\u{1}")
        .add(Field::Serial, "def")
        .end();
    index.push(&Row {
        time: 0,
        end: 0,
        class: 0,
        flags: 0,
        text: row,
    });
    let hits = |text: &str| {
        let filter = Filter {
            needles: vec![Needle::part(text).unwrap()],
            ..Filter::default()
        };
        search(&index, filter, 0, 1).total
    };
    assert_eq!(
        (
            hits("abc"),
            hits("def"),
            hits("abc  "),
            hits("cd"),
            hits("c\u{2}d")
        ),
        (1, 1, 1, 0, 0)
    );
}

#[test]
fn missing_rows_match_nothing_and_keep_their_number() {
    let mut index = filled(&many(3));
    index.push(&Row::MISSING);
    index.push(&Row {
        time: 9,
        end: 9,
        class: 0,
        flags: 0,
        text: b"\x03host\0",
    });
    assert_eq!(
        search(&index, Filter::default(), 0, 10).rows,
        vec![5, 3, 2, 1]
    );
    let all = Filter {
        classes: Some(vec![true; 8]),
        ..Filter::default()
    };
    assert_eq!(search(&index, all, 0, 10).total, 4);
}

#[test]
fn pruning_keeps_numbers_and_frees_blocks() {
    let mut index = filled(&many(BLOCK_ROWS * 3));
    let before = index.bytes();
    index.prune(BLOCK_ROWS as u64 + 11);
    assert_eq!(index.len(), (BLOCK_ROWS * 2 - 10) as u64);
    assert!(index.bytes() < before, "a block went");
    let filter = Filter {
        until: Some(BLOCK_ROWS as i64 + 12),
        ..Filter::default()
    };
    let found = search(&index, filter, 0, 10);
    assert_eq!(
        found.rows,
        vec![BLOCK_ROWS as u64 + 12, BLOCK_ROWS as u64 + 11]
    );
    index.prune(u64::MAX);
    assert_eq!(index.len(), 0);
    index.push(&Row {
        time: 1,
        end: 1,
        class: 0,
        flags: 7,
        text: b"\0",
    });
}

#[test]
fn flags_change_under_a_running_search_without_touching_it() {
    let mut index = filled(&many(BLOCK_ROWS * 2));
    let flagged = Filter {
        flags: Some(9),
        ..Filter::default()
    };
    let running = Snapshot::begin(&index, flagged, 0, 10).unwrap();
    index.set_flags(5, 9);
    assert_eq!(running.finish().unwrap().total, 0);
    let flagged = Filter {
        flags: Some(9),
        ..Filter::default()
    };
    assert_eq!(search(&index, flagged, 0, 10).rows, vec![5]);
}

proptest! {
    #[test]
    fn finds_what_a_plain_scan_finds(
        names in prop::collection::vec("[ab]{0,4}", 0..60),
        needle in "[ab]{1,3}", classes in prop::collection::vec(any::<bool>(), 3),
        skip in 0_u64..8, take in 0_usize..8, pruned in 0_u64..20, dense: bool,
    ) {
        let rows: Vec<Plain> = names.iter().enumerate().map(|(n, name)| Plain {
            time: n as i64, class: (n % 3) as u32, flags: 0, name: name.clone(),
        }).collect();
        let mut index = filled(&rows);
        index.prune(pruned);
        let expected: Vec<u64> = rows.iter().enumerate().map(|(n, row)| (row, n as u64 + 1)).rev()
            .filter(|(row, number)| *number >= pruned && classes[row.class as usize] && row.name.contains(&needle))
            .map(|(_, number)| number).collect();
        let mut needles = vec![Needle::part(&needle).unwrap()];
        if dense {
            needles.push(Needle::part(&needle[..1]).unwrap());
        }
        let filter = Filter { classes: Some(classes), needles, ..Filter::default() };
        let found = search(&index, filter, skip, take);
        prop_assert_eq!(found.total, expected.len() as u64);
        let page: Vec<u64> = expected.into_iter().skip(skip as usize).take(take).collect();
        prop_assert_eq!(found.rows, page);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn one_pass_and_row_by_row_agree(needle in "[0-9]{1,3}", from in 0_i64..9000) {
        let index = filled(&many(BLOCK_ROWS + 10));
        let filter = || Filter { since: Some(from), needles: vec![Needle::part(&needle).unwrap()], ..Filter::default() };
        let found = search(&index, filter(), 0, usize::MAX);
        let expected: Vec<u64> = (from.max(0) as u64..(BLOCK_ROWS + 10) as u64).rev()
            .filter(|n| format!("host-{n:06}").contains(&needle)).map(|n| n + 1).collect();
        prop_assert_eq!(found.rows, expected);
    }
}
