"""What customers wrote: made safe, made plain, made into vectors."""
