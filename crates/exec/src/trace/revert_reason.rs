//! What a contract says when it reverts, in the two forms that Solidity gives it.

use alloy_primitives::U256;

/// Selector of `Error(string)`.
const ERROR: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];
/// Selector of `Panic(uint256)`.
const PANIC: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];

/// The reason in a revert's output: the text of `Error(string)`, or the meaning of `Panic(uint256)` in the words that
/// execution clients use; `None` for everything else.
pub fn revert_reason(output: &[u8]) -> Option<String> {
    let (selector, arguments) = output.split_at_checked(4)?;
    if selector == ERROR {
        let offset = word(arguments, 0)?;
        let length = word(arguments, offset)?;
        let from = offset.checked_add(32)?;
        let text = arguments.get(from..from.checked_add(length)?)?;
        return Some(String::from_utf8_lossy(text).into_owned());
    }
    if selector == PANIC {
        let code = U256::from_be_slice(arguments.get(..32)?);
        return Some(panic_reason(code));
    }
    None
}

/// The word at an offset, where it is small enough to be one itself.
fn word(arguments: &[u8], at: usize) -> Option<usize> {
    let word = arguments.get(at..at.checked_add(32)?)?;
    usize::try_from(U256::from_be_slice(word)).ok()
}

/// Solidity, "Panic via assert and Error via require".
fn panic_reason(code: U256) -> String {
    let known = match u64::try_from(code) {
        Ok(0x00) => "generic panic",
        Ok(0x01) => "assert(false)",
        Ok(0x11) => "arithmetic underflow or overflow",
        Ok(0x12) => "division or modulo by zero",
        Ok(0x21) => "enum overflow",
        Ok(0x22) => "invalid encoded storage byte array accessed",
        Ok(0x31) => "out-of-bounds array access; popping on an empty array",
        Ok(0x32) => "out-of-bounds access of an array or bytesN",
        Ok(0x41) => "out of memory",
        Ok(0x51) => "uninitialized function",
        _ => return format!("unknown panic code: {code:#x}"),
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{hex, keccak256};

    #[test]
    fn selectors_are_those_of_their_signatures() {
        assert_eq!(keccak256("Error(string)")[..4], ERROR);
        assert_eq!(keccak256("Panic(uint256)")[..4], PANIC);
    }

    #[test]
    fn reasons_are_read_and_nonsense_has_none() {
        let error = hex!(
            "08c379a0000000000000000000000000000000000000000000000000000000000000002000000000000000000000000000000000000000000000000000000000000000026869000000000000000000000000000000000000000000000000000000000000"
        );
        assert_eq!(revert_reason(&error).as_deref(), Some("hi"));
        let panic = hex!("4e487b710000000000000000000000000000000000000000000000000000000000000011");
        assert_eq!(revert_reason(&panic).as_deref(), Some("arithmetic underflow or overflow"));
        let unknown = hex!("4e487b710000000000000000000000000000000000000000000000000000000000000077");
        assert_eq!(revert_reason(&unknown).as_deref(), Some("unknown panic code: 0x77"));
        for cut in 0..error.len() - 30 {
            assert_eq!(revert_reason(&error[..cut]), None, "{cut} bytes");
        }
        let mut far = error;
        far[4..36].fill(0xff);
        assert_eq!(revert_reason(&far), None);
        assert_eq!(revert_reason(&[]), None);
        assert_eq!(revert_reason(&hex!("deadbeef")), None);
    }
}
