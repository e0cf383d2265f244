"""Pictures, sounds and videos on their way to the provider: checked, mended, made a data URI.

Mended is only what can be mended honestly, and each time it is said. Fetching a URL, sending
and asking the person stay with others; sounds and videos are never transcoded.
"""
