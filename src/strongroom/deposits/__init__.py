"""Money that comes in: booked once, screened, credited or held, swept into the vault."""
