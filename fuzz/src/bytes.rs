//! Numbers out of bytes.

/// What is left; zeros beyond the end, so that a short input means something too.
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    pub fn word(&mut self) -> u32 {
        self.array().map_or(0, u32::from_le_bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = self.take(N);
        let mut array = [0; N];
        array.get_mut(..taken.len())?.copy_from_slice(taken);
        Some(array)
    }

    /// A number as callers have them: mostly a small one.
    pub fn number(&mut self) -> u32 {
        match self.byte() {
            0xff => self.word(),
            0xfe => u32::MAX,
            0xfd => u32::from(self.byte()) << 12,
            byte => byte.into(),
        }
    }

    /// So many bytes, or what there is.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
