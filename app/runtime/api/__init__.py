"""The runtime for its operators: REST under /api/v1/admin/runtime."""

ROUTES = ()
