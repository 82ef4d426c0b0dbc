//! Input near something valid: edits of it. Bytes from nowhere hardly ever pass the first check.

/// `base` with the edits that `bytes` spell, three bytes each: a position (modulo the length) and a value. A first
/// byte that is odd takes the rest as it is instead; a second one cuts the end off.
pub fn edited(base: &[u8], bytes: &[u8]) -> Vec<u8> {
    let [mode, cut, edits @ ..] = bytes else { return base.to_vec() };
    if mode % 2 == 1 {
        return edits.to_vec();
    }
    let mut text = base.to_vec();
    for edit in edits.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) * (1 + usize::from(mode >> 1)) % text.len().max(1);
        if let Some(byte) = text.get_mut(at) {
            *byte = edit[2];
        }
    }
    text.truncate(text.len() - usize::from(*cut).saturating_sub(200).min(text.len()));
    text
}
