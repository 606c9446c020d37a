"""The intrinsic functions of JSONPath: ``States.Format(…)`` and so on."""
