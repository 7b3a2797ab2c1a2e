"""A withdrawal's life: ordered, judged, screened, approved, permitted, paid, booked; or ended."""
