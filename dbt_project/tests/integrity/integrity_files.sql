-- What is this? Files whose numbers do not add up: rows_read is not accepted +
-- rejected, or the rejected rows that were written are not as many as the ledger says.
-- When does it matter? A row that is neither loaded nor rejected is a day of a student
-- that nobody will miss.
-- How to resolve? It is a fault of the reader: keep the file and report it. A full
-- refresh reads it again.
with
    files as (select * from {{ ref("dq_files") }}),

    rejects as (
        select path, size_bytes, file_modified_at, count(*) as row_count
        from {{ ref("dq_rejected_rows") }}
        group by path, size_bytes, file_modified_at
    )

select
    files.path,
    files.modified_at,
    files.rows_read,
    files.rows_accepted,
    files.rows_rejected,
    rejects.row_count,
from files
left join
    rejects
    on files.path = rejects.path
    and files.size_bytes = rejects.size_bytes
    and files.modified_at = rejects.file_modified_at
where
    files.rows_read <> files.rows_accepted + files.rows_rejected
    or files.rows_rejected <> coalesce(rejects.row_count, 0)
