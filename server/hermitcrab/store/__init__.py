"""What outlives a process: session logs, blobs, and the private folders they live in.

Records and bytes come in from `agent`, `engine`, `workspace` and `permissions`, already checked.
The same records and bytes go back after a restart, each verified; what is damaged is named, never guessed.
"""
