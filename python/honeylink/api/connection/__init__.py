"""Below the application: connections, their deadlines, and what is refused under overload."""
