"""One function per method: translate in, make one call, translate out."""
