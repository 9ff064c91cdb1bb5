"""Copy the events of a batch: from COPY to COPY, or event by event."""
