"""The clock of every limit over time, the same in API, signer and guard: buckets of three hours,
the current one and as many before it as the window is long. Never less than the window (rule 9).
"""

BUCKET_SECONDS = 3 * 3600
DAY_SECONDS = 86_400
WINDOW_SECONDS_MAX = 31 * DAY_SECONDS


def bucket_of(time_seconds: int) -> int:
    """The number of the bucket of a Unix time."""
    return time_seconds // BUCKET_SECONDS


def oldest_bucket(now_seconds: int, window_seconds: int = DAY_SECONDS) -> int:
    """The first bucket that counts now; `window_seconds` is a multiple of BUCKET_SECONDS."""
    return bucket_of(now_seconds) - window_seconds // BUCKET_SECONDS
