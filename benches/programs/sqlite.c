// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// SQLite (the sources that the crate `libsqlite3-sys` carries) on a database in memory: inserts, an index, joins, sorting, text.
#include "bench.h"
#include "sqlite3.h"

static sqlite3 *db;

static void fail(const char *what) {
    printf("%s: %s\n", what, sqlite3_errmsg(db));
    exit(1);
}

static void run(const char *sql) {
    if (sqlite3_exec(db, sql, 0, 0, 0) != SQLITE_OK)
        fail(sql);
}

static void query(const char *sql) {
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, 0) != SQLITE_OK)
        fail(sql);
    uint32_t sum = 0, rows = 0;
    while (sqlite3_step(statement) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(statement); i++)
            for (const unsigned char *text = sqlite3_column_text(statement, i); text && *text; text++)
                sum = sum * 31 + *text;
        rows++;
    }
    sqlite3_finalize(statement);
    printf("%u %u\n", rows, sum);
}

int main(int argc, char **argv) {
    unsigned n = size_of_run(argc, argv, 60000);
    if (sqlite3_open(":memory:", &db) != SQLITE_OK)
        fail("open");
    run("CREATE TABLE part(id INTEGER PRIMARY KEY, name TEXT, weight REAL, kind INTEGER);"
        "CREATE TABLE stock(part INTEGER, place INTEGER, amount INTEGER); BEGIN;");
    sqlite3_stmt *part, *stock;
    if (sqlite3_prepare_v2(db, "INSERT INTO part VALUES(?,?,?,?)", -1, &part, 0) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "INSERT INTO stock VALUES(?,?,?)", -1, &stock, 0) != SQLITE_OK)
        fail("prepare");
    for (unsigned i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "part %08x", (unsigned)random_u32());
        sqlite3_bind_int(part, 1, (int)i);
        sqlite3_bind_text(part, 2, name, -1, SQLITE_TRANSIENT);
        sqlite3_bind_double(part, 3, random_u32() % 100000 / 16.0);
        sqlite3_bind_int(part, 4, random_u32() % 50);
        if (sqlite3_step(part) != SQLITE_DONE || sqlite3_reset(part) != SQLITE_OK)
            fail("insert");
        for (int j = 0; j < 3; j++) {
            sqlite3_bind_int(stock, 1, (int)(random_u32() % n));
            sqlite3_bind_int(stock, 2, random_u32() % 20);
            sqlite3_bind_int(stock, 3, random_u32() % 1000);
            if (sqlite3_step(stock) != SQLITE_DONE || sqlite3_reset(stock) != SQLITE_OK)
                fail("insert");
        }
    }
    sqlite3_finalize(part);
    sqlite3_finalize(stock);
    run("COMMIT; CREATE INDEX by_part ON stock(part); CREATE INDEX by_kind ON part(kind, weight);");
    query("SELECT kind, count(*), sum(weight), max(name) FROM part GROUP BY kind ORDER BY 3 DESC");
    query("SELECT place, sum(amount * weight) FROM stock JOIN part ON part.id = stock.part WHERE kind < 25 GROUP BY place");
    query("SELECT name FROM part WHERE name LIKE '%ab%' ORDER BY weight, name LIMIT 500");
    query("SELECT a.id, b.id FROM part a JOIN part b ON b.kind = a.kind AND b.weight BETWEEN a.weight AND a.weight + 1 WHERE a.id % 20 = 0");
    run("UPDATE part SET weight = weight * 1.5 WHERE kind % 3 = 0; DELETE FROM stock WHERE amount < 200;");
    query("SELECT count(*), sum(weight), group_concat(name, ',') FROM part WHERE id IN (SELECT part FROM stock WHERE place = 7)");
    sqlite3_close(db);
}

// SQLITE_OS_OTHER: the least system that a database in memory needs; the same for every build.
static int no_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out) {
    (void)v, (void)name, (void)f, (void)flags, (void)out;
    return SQLITE_CANTOPEN;
}
static int no_delete(sqlite3_vfs *v, const char *name, int sync) {
    (void)v, (void)name, (void)sync;
    return SQLITE_IOERR;
}
static int no_access(sqlite3_vfs *v, const char *name, int flags, int *out) {
    (void)v, (void)name, (void)flags;
    *out = 0;
    return SQLITE_OK;
}
static int same_name(sqlite3_vfs *v, const char *name, int size, char *out) {
    (void)v;
    snprintf(out, (size_t)size, "%s", name);
    return SQLITE_OK;
}
static int fixed_random(sqlite3_vfs *v, int size, char *out) {
    (void)v;
    memset(out, 42, (size_t)size);
    return size;
}
static int no_sleep(sqlite3_vfs *v, int us) {
    (void)v;
    return us;
}
static int fixed_time(sqlite3_vfs *v, double *out) {
    (void)v;
    *out = 2460000.5;
    return SQLITE_OK;
}
int sqlite3_os_init(void) {
    static sqlite3_vfs vfs = {.iVersion = 1, .szOsFile = sizeof(sqlite3_file), .mxPathname = 64, .zName = "none", .xOpen = no_open,
                              .xDelete = no_delete, .xAccess = no_access, .xFullPathname = same_name, .xRandomness = fixed_random,
                              .xSleep = no_sleep, .xCurrentTime = fixed_time};
    return sqlite3_vfs_register(&vfs, 1);
}
int sqlite3_os_end(void) { return SQLITE_OK; }
