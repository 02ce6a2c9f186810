"""The limits of files that no setting changes."""

from bot.files.chunks import CHUNK
from bot.times import SECOND

# What one call can carry.
LARGEST_IN_CALL = CHUNK
# Of one message, context or task.
MOST_ON_ONE = 20
# How long a file that is attached to nothing is kept.
KEEP_UNUSED = 24 * 3600 * SECOND
# How long addresses work, in seconds.
LINK_S, UPLOAD_S = 900, 24 * 3600
