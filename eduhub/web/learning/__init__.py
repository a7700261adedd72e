"""What a child or a guest sees: today, a lesson, open courses, lessons kept on the device."""
