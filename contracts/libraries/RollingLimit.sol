// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What was paid of one asset within at least the last 24 hours.
/// @dev Time is cut into buckets of three hours, counted from 1970. The sum of the current bucket
/// and the eight before covers 24 to 27 hours, so no window of 24 hours ever holds more than the
/// limit; one leaky bucket would let nearly twice the limit through. The signer's
/// `operations/limits.py` counts in the same way. Nine places, two in a storage slot: the units of
/// bucket b stand at b modulo 9, for the buckets from `newest` − 8 to `newest`.
library RollingLimit {
    uint256 internal constant BUCKET_SECONDS = 3 hours;
    /// The current bucket and the eight before.
    uint256 internal constant BUCKETS = 9;

    /// @param dayUnits the limit
    /// @param newest number of the bucket that was counted in last
    /// @param listed whether the asset may be paid at all
    /// @param units what was paid, by bucket
    struct Asset {
        uint128 dayUnits;
        uint64 newest;
        bool listed;
        uint128[BUCKETS] units;
    }

    /// @notice Adds `units` at `time`. The caller has compared the sum with the limit, so no
    /// bucket can overflow.
    function count(Asset storage asset, uint128 units, uint256 time) internal {
        uint256 current = time / BUCKET_SECONDS;
        uint256 next = uint256(asset.newest) + 1;
        uint256 oldest = current + 1 - BUCKETS;
        // The places of the buckets that nobody paid in still hold what is older: empty them.
        for (uint256 b = next > oldest ? next : oldest; b <= current; ++b) {
            asset.units[b % BUCKETS] = 0;
        }
        asset.newest = uint64(current);
        asset.units[current % BUCKETS] += units;
    }

    /// @notice What was paid in the bucket of `time` and the eight before.
    function spentUnits(Asset storage asset, uint256 time) internal view returns (uint256 sum) {
        uint256 newest = asset.newest;
        for (uint256 b = time / BUCKET_SECONDS + 1 - BUCKETS; b <= newest; ++b) {
            sum += asset.units[b % BUCKETS];
        }
    }
}
