"""Teachers' files: upload, probe, ladder, transcode, segment."""
