"""Reads and writes Paimon tables with pypaimon, the other side of the interop test.

usage: pypaimon_read.py read WAREHOUSE TABLE          prints one JSON array per row
       pypaimon_read.py create WAREHOUSE TABLE SPEC   SPEC: JSON with fields, keys, partitions, options
       pypaimon_read.py write WAREHOUSE TABLE         rows as JSON lines on stdin, one commit
"""

import json
import sys

import pyarrow as pa
from pypaimon import CatalogFactory, Schema

TYPES = {
    "bigint": pa.int64(),
    "int": pa.int32(),
    "string": pa.string(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("ms"),
}


def plain(value):
    """A value as JSON knows it."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def read(catalog, name):
    builder = catalog.get_table(name).new_read_builder()
    splits = builder.new_scan().plan().splits()
    table = builder.new_read().to_arrow(splits)
    for row in table.to_pylist():
        print(json.dumps([plain(v) for v in row.values()]))


def create(catalog, name, spec):
    database = name.split(".")[0]
    catalog.create_database(database, True)
    fields = [
        pa.field(f["name"], TYPES[f["type"]], nullable=f["name"] not in spec["keys"])
        for f in spec["fields"]
    ]
    schema = Schema.from_pyarrow_schema(
        pa.schema(fields),
        partition_keys=spec["partitions"],
        primary_keys=spec["keys"],
        options=spec["options"],
    )
    catalog.create_table(name, schema, False)


def write(catalog, name, lines):
    table = catalog.get_table(name)
    rows = [json.loads(line) for line in lines if line.strip()]
    fields = [
        pa.field(f.name, kind(f), nullable=f.type.nullable) for f in table.table_schema.fields
    ]
    schema = pa.schema(fields)
    columns = [[row[i] for row in rows] for i in range(len(fields))]
    arrays = [pa.array(c, type=f.type) for c, f in zip(columns, schema)]
    builder = table.new_batch_write_builder()
    writer = builder.new_write()
    commit = builder.new_commit()
    writer.write_arrow(pa.Table.from_arrays(arrays, schema=schema))
    commit.commit(writer.prepare_commit())
    writer.close()
    commit.close()


def kind(field):
    text = str(field.type.type).upper()
    for name in ("BIGINT", "INT", "DOUBLE", "BOOLEAN"):
        if text.startswith(name):
            return TYPES[name.lower()]
    return TYPES["timestamp"] if text.startswith("TIMESTAMP") else TYPES["string"]


def main():
    command, warehouse, name = sys.argv[1:4]
    catalog = CatalogFactory.create({"warehouse": warehouse})
    if command == "read":
        read(catalog, name)
    elif command == "create":
        create(catalog, name, json.loads(sys.argv[4]))
    elif command == "write":
        write(catalog, name, sys.stdin)
    else:
        sys.exit(f"unknown command {command}")


if __name__ == "__main__":
    main()
