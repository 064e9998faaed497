"""The backup of a lake and the readers' bucket: files outside the lake, put and compared by rclone.

Lives here: nothing but the modules of this folder.
Does not live here: what is put (lake, warehouse), when (run).
"""
