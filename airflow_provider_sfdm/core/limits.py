"""Limits of Step Functions that more than one part keeps."""

MAX_PAYLOAD_BYTES = 262_144
"""AWS: "Maximum input or output size for a task, state, or execution: 256 KiB"."""
MAX_ERROR = 256
"""AWS API reference: "error ... Maximum length of 256", in characters."""
MAX_CAUSE = 32_768
"""AWS API reference: "cause ... Maximum length of 32768", in characters."""
