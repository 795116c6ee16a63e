/* Statements of this folder whose speed is measured; bk_store_statement() names them. */
#ifndef STORE_STATEMENTS_H
#define STORE_STATEMENTS_H

#include "booking/db.h"

extern const bk_stmt_t bk_stmt_busy;
extern const bk_stmt_t bk_stmt_book;
extern const bk_stmt_t bk_stmt_user_list;

#endif
