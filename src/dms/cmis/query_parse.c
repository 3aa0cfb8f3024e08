/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/cmis/query.h"

#include <errno.h>
#include <strings.h>

enum token {
    TOKEN_END,
    TOKEN_NAME, /* identifiers and words: cmis:name, SELECT */
    TOKEN_TEXT, /* 'text', without its quotes, escapes as written */
    TOKEN_NUMBER,
    TOKEN_SIGN, /* one of ( ) , . * = <> < > <= >= */
    TOKEN_BAD,
};

struct parser {
    struct arena *arena;
    const char *at; /* what comes after the present token */
    enum token token;
    const char *text; /* of the present token */
    const char *wrong;
    int depth;
    size_t literals;
    bool no_memory;
};

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':' || c == '-' || (uint8_t)c >= 0x80;
}

static const char *piece(struct parser *parser, const char *start, size_t size)
{
    const char *text = arena_text(parser->arena, slice_of(start, size));
    if (!text)
        parser->no_memory = true;
    return text ? text : "";
}

static void fail(struct parser *parser, const char *wrong)
{
    if (!parser->wrong)
        parser->wrong = wrong;
    parser->token = TOKEN_BAD;
}

/* From behind the opening quote to the closing one: '' and what follows a backslash belong to it. */
static size_t text_size(const char *at)
{
    size_t size = 0;
    for (; at[size]; size++) {
        if ((at[size] == '\\' && at[size + 1]) || (at[size] == '\'' && at[size + 1] == '\''))
            size++;
        else if (at[size] == '\'')
            return size;
    }
    return SIZE_MAX;
}

static void text_next(struct parser *parser)
{
    size_t size = text_size(parser->at + 1);
    if (size == SIZE_MAX) {
        fail(parser, "a text does not end");
        return;
    }
    parser->token = TOKEN_TEXT;
    parser->text = piece(parser, parser->at + 1, size);
    parser->at += size + 2;
}

static void run_next(struct parser *parser, enum token token, size_t size)
{
    parser->token = token;
    parser->text = piece(parser, parser->at, size);
    parser->at += size;
}

static size_t number_size(const char *at)
{
    size_t size = strspn(at, "+-");
    size += strspn(at + size, "0123456789.");
    if (at[size] == 'e' || at[size] == 'E') {
        size_t more = strspn(at + size + 1, "+-0123456789");
        size += more ? 1 + more : 0;
    }
    return size;
}

static void next(struct parser *parser)
{
    if (parser->wrong)
        return;
    parser->at += strspn(parser->at, " \t\r\n");
    char c = *parser->at, d = c ? parser->at[1] : 0;
    bool digit = c >= '0' && c <= '9';
    bool signed_digit = (c == '-' || c == '+') && d >= '0' && d <= '9';
    if (!c)
        parser->token = TOKEN_END;
    else if (c == '\'')
        text_next(parser);
    else if (digit || signed_digit || (c == '.' && d >= '0' && d <= '9'))
        run_next(parser, TOKEN_NUMBER, number_size(parser->at));
    else if (is_name_char(c)) {
        size_t size = 0;
        while (is_name_char(parser->at[size]))
            size++;
        run_next(parser, TOKEN_NAME, size);
    } else if ((c == '<' && (d == '>' || d == '=')) || (c == '>' && d == '=') ||
               (c == '!' && d == '='))
        run_next(parser, TOKEN_SIGN, 2);
    else if (strchr("(),.*=<>", c))
        run_next(parser, TOKEN_SIGN, 1);
    else
        fail(parser, "there is a character that cannot be here");
}

static bool is_word(const struct parser *parser, const char *word)
{
    return parser->token == TOKEN_NAME && strcasecmp(parser->text, word) == 0;
}

static bool is_sign(const struct parser *parser, const char *sign)
{
    return parser->token == TOKEN_SIGN && strcmp(parser->text, sign) == 0;
}

static bool take_word(struct parser *parser, const char *word)
{
    bool is = is_word(parser, word);
    if (is)
        next(parser);
    return is;
}

static bool take_sign(struct parser *parser, const char *sign)
{
    bool is = is_sign(parser, sign);
    if (is)
        next(parser);
    return is;
}

static void expect_word(struct parser *parser, const char *word, const char *wrong)
{
    if (!take_word(parser, word))
        fail(parser, wrong);
}

static void expect_sign(struct parser *parser, const char *sign, const char *wrong)
{
    if (!take_sign(parser, sign))
        fail(parser, wrong);
}

static bool is_reserved(const char *text)
{
    static const char *const words[] = {"SELECT", "FROM", "WHERE", "ORDER", "BY",    "JOIN",
                                        "INNER",  "LEFT", "OUTER", "ON",    "AND",   "OR",
                                        "NOT",    "IN",   "LIKE",  "IS",    "NULL",  "ANY",
                                        "AS",     "ASC",  "DESC",  "TRUE",  "FALSE", "TIMESTAMP"};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

static const char *take_name(struct parser *parser, const char *wrong)
{
    const char *name = parser->text;
    if (parser->token != TOKEN_NAME || is_reserved(name)) {
        fail(parser, wrong);
        return "";
    }
    next(parser);
    return name;
}

/* name, qualifier.name, qualifier.*, or SCORE(). */
static struct query_column take_column(struct parser *parser, bool star)
{
    struct query_column column = {.name = take_name(parser, "a column is missing")};
    if (strcasecmp(column.name, "SCORE") == 0 && take_sign(parser, "(")) {
        expect_sign(parser, ")", "SCORE() has no arguments");
        column.is_score = true;
        return column;
    }
    if (!take_sign(parser, "."))
        return column;
    column.qualifier = column.name;
    column.name = star && take_sign(parser, "*") ? "*" : take_name(parser, "a column is missing");
    return column;
}

static void select_list(struct parser *parser, struct query *query)
{
    do {
        struct query_column *column = &query->columns[query->column_count];
        if (query->column_count == QUERY_COLUMNS_MAX) {
            fail(parser, "there are too many columns");
            return;
        }
        if (take_sign(parser, "*"))
            *column = (struct query_column){.name = "*"};
        else
            *column = take_column(parser, true);
        bool as = take_word(parser, "AS");
        if (as || (parser->token == TOKEN_NAME && !is_reserved(parser->text)))
            column->alias = take_name(parser, "an alias is missing");
        if (column->alias && strcmp(column->name, "*") == 0)
            fail(parser, "all columns cannot have one alias");
        query->column_count++;
    } while (take_sign(parser, ","));
}

static void table_name(struct parser *parser, struct query_table *table)
{
    table->type = take_name(parser, "a type is missing");
    bool as = take_word(parser, "AS");
    if (as || (parser->token == TOKEN_NAME && !is_reserved(parser->text)))
        table->alias = take_name(parser, "an alias is missing");
}

static bool take_join(struct parser *parser, bool *ret_outer)
{
    *ret_outer = take_word(parser, "LEFT");
    if (*ret_outer)
        (void)take_word(parser, "OUTER");
    bool inner = !*ret_outer && take_word(parser, "INNER");
    if (take_word(parser, "JOIN"))
        return true;
    if (*ret_outer || inner)
        fail(parser, "JOIN is missing");
    return false;
}

static void from_clause(struct parser *parser, struct query *query)
{
    bool outer = false;
    table_name(parser, &query->tables[0]);
    query->table_count = 1;
    while (!parser->wrong && take_join(parser, &outer)) {
        struct query_table *table = &query->tables[query->table_count];
        if (query->table_count == QUERY_TABLES_MAX) {
            fail(parser, "there are too many joins");
            return;
        }
        table_name(parser, table);
        table->outer = outer;
        expect_word(parser, "ON", "ON is missing");
        bool open = take_sign(parser, "(");
        table->left = take_column(parser, false);
        expect_sign(parser, "=", "a join compares two columns with =");
        table->right = take_column(parser, false);
        if (open)
            expect_sign(parser, ")", "a ) is missing");
        query->table_count++;
    }
}

/* Conditions */

static struct query_node *node_new(struct parser *parser, enum query_kind kind)
{
    static struct query_node nothing;
    struct query_node *node = arena_alloc(parser->arena, sizeof *node);
    if (!node) {
        parser->no_memory = true;
        fail(parser, "there is no memory");
        return &nothing;
    }
    node->kind = kind;
    return node;
}

static struct query_literal take_literal(struct parser *parser)
{
    struct query_literal literal = {LITERAL_TEXT, parser->text};
    if (++parser->literals > QUERY_LITERALS_MAX)
        fail(parser, "there are too many values");
    if (take_word(parser, "TIMESTAMP")) {
        literal = (struct query_literal){LITERAL_TIMESTAMP, parser->text};
        if (parser->token != TOKEN_TEXT)
            fail(parser, "TIMESTAMP needs a text");
        next(parser);
    } else if (is_word(parser, "TRUE") || is_word(parser, "FALSE")) {
        literal = (struct query_literal){LITERAL_BOOLEAN, is_word(parser, "TRUE") ? "1" : "0"};
        next(parser);
    } else if (parser->token == TOKEN_NUMBER) {
        literal.kind = LITERAL_NUMBER;
        next(parser);
    } else if (parser->token == TOKEN_TEXT) {
        next(parser);
    } else {
        fail(parser, "a value is missing");
    }
    return literal;
}

static void one_literal(struct parser *parser, struct query_node *node)
{
    struct query_literal *literal = arena_alloc(parser->arena, sizeof *literal);
    if (!literal) {
        parser->no_memory = true;
        fail(parser, "there is no memory");
        return;
    }
    *literal = take_literal(parser);
    node->literals = literal;
    node->literal_count = 1;
}

static void literal_list(struct parser *parser, struct query_node *node)
{
    struct query_literal *list = NULL;
    size_t count = 0, capacity = 0;
    expect_sign(parser, "(", "IN needs a list");
    do {
        if (count == capacity) {
            size_t wanted = capacity ? capacity * 2 : 8;
            struct query_literal *larger = arena_alloc(parser->arena, wanted * sizeof *larger);
            if (!larger) {
                parser->no_memory = true;
                fail(parser, "there is no memory");
                return;
            }
            if (count > 0)
                memcpy(larger, list, count * sizeof *larger);
            list = larger;
            capacity = wanted;
        }
        list[count++] = take_literal(parser);
    } while (take_sign(parser, ","));
    expect_sign(parser, ")", "a list does not end");
    node->literals = list;
    node->literal_count = count;
}

/* CONTAINS, IN_FOLDER, IN_TREE: an optional qualifier, then a text. */
static struct query_node *function(struct parser *parser, enum query_kind kind)
{
    struct query_node *node = node_new(parser, kind);
    next(parser);
    expect_sign(parser, "(", "a ( is missing");
    if (parser->token == TOKEN_NAME) {
        node->column.qualifier = take_name(parser, "a qualifier is missing");
        expect_sign(parser, ",", "a comma is missing");
    }
    if (parser->token != TOKEN_TEXT)
        fail(parser, "a text is missing");
    one_literal(parser, node);
    expect_sign(parser, ")", "a ) is missing");
    return node;
}

static const char *take_operator(struct parser *parser)
{
    static const char *const operators[] = {"=", "<>", "<=", ">=", "<", ">"};
    for (size_t i = 0; i < ARRAY_COUNT(operators); i++)
        if (take_sign(parser, operators[i]))
            return operators[i];
    return take_sign(parser, "!=") ? "<>" : NULL;
}

/* What follows a column. */
static struct query_node *column_predicate(struct parser *parser, struct query_column column,
                                           bool any)
{
    const char *op = any ? NULL : take_operator(parser);
    struct query_node *node = node_new(parser, QUERY_COMPARE);
    node->column = column;
    node->any = any;
    node->op = op;
    if (op) {
        one_literal(parser, node);
        return node;
    }
    if (!any && take_word(parser, "IS")) {
        node->kind = QUERY_NULL;
        node->negated = take_word(parser, "NOT");
        expect_word(parser, "NULL", "NULL is missing");
        return node;
    }
    node->negated = take_word(parser, "NOT");
    if (take_word(parser, "IN")) {
        node->kind = QUERY_IN;
        literal_list(parser, node);
    } else if (take_word(parser, "LIKE")) {
        node->kind = QUERY_LIKE;
        if (parser->token != TOKEN_TEXT)
            fail(parser, "LIKE needs a text");
        one_literal(parser, node);
    } else {
        fail(parser, "a comparison is missing");
    }
    return node;
}

/* literal = ANY column */
static struct query_node *any_predicate(struct parser *parser)
{
    struct query_node *node = node_new(parser, QUERY_COMPARE);
    node->any = true;
    node->op = "=";
    one_literal(parser, node);
    expect_sign(parser, "=", "a value is compared with = ANY");
    expect_word(parser, "ANY", "ANY is missing");
    node->column = take_column(parser, false);
    return node;
}

static const struct query_node *or_condition(struct parser *parser);

static const struct query_node *primary(struct parser *parser)
{
    if (take_sign(parser, "(")) {
        const struct query_node *inner = or_condition(parser);
        expect_sign(parser, ")", "a ) is missing");
        return inner;
    }
    if (is_word(parser, "CONTAINS"))
        return function(parser, QUERY_CONTAINS);
    if (is_word(parser, "IN_FOLDER"))
        return function(parser, QUERY_IN_FOLDER);
    if (is_word(parser, "IN_TREE"))
        return function(parser, QUERY_IN_TREE);
    if (take_word(parser, "ANY"))
        return column_predicate(parser, take_column(parser, false), true);
    if (parser->token == TOKEN_TEXT || parser->token == TOKEN_NUMBER || is_word(parser, "TRUE") ||
        is_word(parser, "FALSE") || is_word(parser, "TIMESTAMP"))
        return any_predicate(parser);
    return column_predicate(parser, take_column(parser, false), false);
}

static const struct query_node *not_condition(struct parser *parser)
{
    if (!take_word(parser, "NOT"))
        return primary(parser);
    struct query_node *node = node_new(parser, QUERY_NOT);
    if (++parser->depth > QUERY_DEPTH_MAX)
        fail(parser, "the conditions are too deep");
    else
        node->left = not_condition(parser);
    parser->depth--;
    return node;
}

static const struct query_node *and_condition(struct parser *parser)
{
    const struct query_node *left = not_condition(parser);
    while (!parser->wrong && take_word(parser, "AND")) {
        struct query_node *node = node_new(parser, QUERY_AND);
        node->left = left;
        node->right = not_condition(parser);
        left = node;
    }
    return left;
}

static const struct query_node *or_condition(struct parser *parser)
{
    if (parser->wrong || ++parser->depth > QUERY_DEPTH_MAX) {
        fail(parser, "the conditions are too deep");
        return NULL;
    }
    const struct query_node *left = and_condition(parser);
    while (!parser->wrong && take_word(parser, "OR")) {
        struct query_node *node = node_new(parser, QUERY_OR);
        node->left = left;
        node->right = and_condition(parser);
        left = node;
    }
    parser->depth--;
    return left;
}

static void order_clause(struct parser *parser, struct query *query)
{
    expect_word(parser, "BY", "BY is missing");
    do {
        if (query->order_count == ARRAY_COUNT(query->order)) {
            fail(parser, "there are too many columns to order by");
            return;
        }
        struct query_order *order = &query->order[query->order_count++];
        order->column = take_column(parser, false);
        order->down = take_word(parser, "DESC");
        if (!order->down)
            (void)take_word(parser, "ASC");
    } while (take_sign(parser, ","));
}

int query_parse(struct arena *arena, const char *text, struct query *ret, const char **ret_wrong)
{
    struct parser parser = {.arena = arena, .at = text};
    *ret = (struct query){0};
    if (strlen(text) > QUERY_SIZE_MAX)
        fail(&parser, "the statement is too long");
    next(&parser);
    expect_word(&parser, "SELECT", "a statement begins with SELECT");
    ret->distinct = take_word(&parser, "DISTINCT");
    select_list(&parser, ret);
    expect_word(&parser, "FROM", "FROM is missing");
    from_clause(&parser, ret);
    if (take_word(&parser, "WHERE"))
        ret->where = or_condition(&parser);
    if (take_word(&parser, "ORDER"))
        order_clause(&parser, ret);
    if (!parser.wrong && parser.token != TOKEN_END)
        fail(&parser, "there is something behind the end");
    if (parser.no_memory)
        return -ENOMEM;
    *ret_wrong = parser.wrong;
    return parser.wrong ? -EINVAL : 0;
}
