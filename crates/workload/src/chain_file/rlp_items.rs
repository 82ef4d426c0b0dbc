//! The items of an RLP list as they stand, without decoding them.

use alloy_rlp::{Error, Header, Result};

/// Items of a list, each with its own header. Over after the first that is malformed.
#[derive(Clone, Debug)]
pub(super) struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Items<'a> {
    /// Of bytes that are exactly one list.
    pub(super) fn of_list(rlp: &'a [u8]) -> Result<Self> {
        let mut rest = rlp;
        let header = Header::decode(&mut rest)?;
        if !header.list {
            return Err(Error::UnexpectedString);
        }
        if header.payload_length != rest.len() {
            return Err(Error::UnexpectedLength);
        }
        Ok(Self { rest })
    }

    /// What was not taken yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let item = split_item(&mut self.rest);
        if item.is_err() {
            self.rest = &[];
        }
        Some(item)
    }
}

/// Takes one item, header and payload.
pub(super) fn split_item<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8]> {
    let from = *rest;
    let header = Header::decode(rest)?;
    let head_bytes = from.len() - rest.len();
    let (item, after) = from.split_at_checked(head_bytes + header.payload_length).ok_or(Error::InputTooShort)?;
    *rest = after;
    Ok(item)
}

/// What a transaction or receipt is in the trie of its block: a list is itself, a typed one is the string's content.
/// EIP-2718.
pub(super) fn trie_value(item: &[u8]) -> Result<&[u8]> {
    let mut payload = item;
    if Header::decode(&mut payload)?.list { Ok(item) } else { Ok(payload) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_stand_as_they_are() {
        let rlp = [0xc7, 0x01, 0x82, 0x02, 0x03, 0xc1, 0x80, 0x80];
        let items: Vec<_> = Items::of_list(&rlp).unwrap().map(Result::unwrap).collect();
        assert_eq!(items, [&[0x01][..], &[0x82, 2, 3], &[0xc1, 0x80], &[0x80]]);
        let values: Vec<_> = items.into_iter().map(|item| trie_value(item).unwrap()).collect();
        assert_eq!(values, [&[0x01][..], &[2, 3], &[0xc1, 0x80], &[]]);
    }

    #[test]
    fn what_is_no_list_or_more_than_one_is_refused() {
        assert_eq!(Items::of_list(&[0x82, 1, 2]).unwrap_err(), Error::UnexpectedString);
        assert_eq!(Items::of_list(&[0xc0, 0xc0]).unwrap_err(), Error::UnexpectedLength);
        assert!(Items::of_list(&[]).is_err());
        let mut items = Items::of_list(&[0xc2, 0x83, 1]).unwrap();
        assert!(items.next().is_some_and(|item| item.is_err()));
        assert!(items.next().is_none());
    }
}
