"""The offline data: found or generated, checked, given timestamps, and read back."""
