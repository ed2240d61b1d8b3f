//! Seeded choices.

use rand::{Rng, SeedableRng, rngs::StdRng};

/// The same choices for the same seed.
#[derive(Debug)]
pub struct Dice(StdRng);

impl Dice {
    /// Of a seed.
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// From `from` to `to`, both included.
    pub fn number(&mut self, from: i64, to: i64) -> i64 {
        self.0.random_range(from..=to)
    }

    /// A place in something with `count` places; 0 if it has none.
    pub fn place(&mut self, count: usize) -> usize {
        if count == 0 { 0 } else { self.0.random_range(0..count) }
    }

    /// True so often in a hundred.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.0.random_range(0..100) < percent
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.place(all.len())]
    }

    /// One of the characters.
    pub fn char_of(&mut self, all: &str) -> char {
        let chars: Vec<char> = all.chars().collect();
        *self.pick(&chars)
    }

    /// So many of the characters.
    pub fn text_of(&mut self, all: &str, count: usize) -> String {
        let chars: Vec<char> = all.chars().collect();
        (0..count).map(|_| *self.pick(&chars)).collect()
    }

    /// Any character but a surrogate.
    pub fn any_char(&mut self) -> char {
        loop {
            let range = match self.place(4) {
                0 => 0..=0x7f,
                1 => 0x80..=0x7ff,
                2 => 0x2000..=0xffff,
                _ => 0x1_0000..=0x10_ffff,
            };
            if let Some(c) = char::from_u32(self.0.random_range(range)) {
                return c;
            }
        }
    }
}
