"""The local profile server: an app by which a local operator changes ports and imposes radio silence (EVE: B.7)."""
