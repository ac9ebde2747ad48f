"""The same project on a Spark cluster: processes, connection, Python models, publishing."""
