//! Sets of bits that print themselves by name.

/// Declares a set of bits of the wire: `flags! { /// doc  Name: u32 { /// doc  ONE = 1; } }`.
macro_rules! flags {
    ($(#[$meta:meta])* $name:ident: $int:ty { $($(#[$doc:meta])* $flag:ident = $value:expr;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
        pub struct $name(pub $int);

        impl $name {
            $($(#[$doc])* pub const $flag: Self = Self($value);)*

            /// No bit.
            pub const NONE: Self = Self(0);

            /// Whether all bits of `other` are here.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// The bits as the wire has them.
            #[must_use]
            pub const fn bits(self) -> $int {
                self.0
            }
        }

        impl std::ops::BitOr for $name {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl std::ops::BitAnd for $name {
            type Output = Self;
            fn bitand(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::flags::print(f, u64::from(self.0), &[$((stringify!($flag), u64::from(Self::$flag.0))),*])
            }
        }
    };
}
pub(crate) use flags;

/// `ONE|TWO|0x40`: the bits with names, then the rest.
pub(crate) fn print(
    f: &mut std::fmt::Formatter<'_>,
    bits: u64,
    names: &[(&str, u64)],
) -> std::fmt::Result {
    let mut rest = bits;
    let mut separator = "";
    for (name, bit) in names {
        if rest & bit != 0 {
            write!(f, "{separator}{name}")?;
            separator = "|";
            rest &= !bit;
        }
    }
    if rest != 0 || separator.is_empty() {
        write!(f, "{separator}{rest:#x}")?;
    }
    Ok(())
}

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macro makes public sets")]
mod tests {
    flags! {
        /// Two bits.
        Pair: u32 {
            /// The first.
            ONE = 1;
            /// The second.
            TWO = 2;
        }
    }

    #[test]
    fn bits_are_printed_by_name_and_the_rest_as_a_number() {
        assert_eq!(format!("{:?}", Pair::ONE | Pair::TWO), "ONE|TWO");
        assert_eq!(format!("{:?}", Pair(0x42)), "TWO|0x40");
        assert_eq!(format!("{:?}", Pair::NONE), "0x0");
        assert!(Pair(3).contains(Pair::TWO) && !Pair::ONE.contains(Pair(3)));
        assert_eq!((Pair(7) & Pair::TWO).bits(), 2);
    }
}
