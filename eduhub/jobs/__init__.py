"""The durable job table: leases, heartbeats, retries, the next job."""
