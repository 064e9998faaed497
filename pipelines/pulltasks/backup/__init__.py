"""The backup of a lake and the readers' bucket: files outside the lake, copied and compared by rclone.

Lives here: only the modules of this folder.
Does not live here: the content of the files (lake, warehouse), the time of a backup (run).
"""
