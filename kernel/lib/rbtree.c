/* Red-black trees: the textbook algorithm with parent pointers. A null child is black. */
#include "rbtree.h"

static void replace_child(struct rb_root *root, struct rb_node *p, struct rb_node *old, struct rb_node *new) {
    if (!p)
        root->node = new;
    else if (p->left == old)
        p->left = new;
    else
        p->right = new;
    if (new)
        new->parent = p;
}

static void rotate(struct rb_root *root, struct rb_node *x, bool left) {
    struct rb_node *y = left ? x->right : x->left;
    struct rb_node *mid = left ? y->left : y->right;
    replace_child(root, x->parent, x, y);
    if (left) {
        y->left = x;
        x->right = mid;
    } else {
        y->right = x;
        x->left = mid;
    }
    x->parent = y;
    if (mid)
        mid->parent = x;
}

void rb_insert(struct rb_root *root, struct rb_node *n, struct rb_node *parent, struct rb_node **link) {
    *n = (struct rb_node){.parent = parent, .red = true};
    *link = n;
    while (n->parent && n->parent->red) {
        struct rb_node *p = n->parent, *g = p->parent;
        bool left = p == g->left;
        struct rb_node *uncle = left ? g->right : g->left;
        if (uncle && uncle->red) {
            p->red = uncle->red = false;
            g->red = true;
            n = g;
            continue;
        }
        if (n == (left ? p->right : p->left)) {
            rotate(root, p, left);
            p = n;
        }
        p->red = false;
        g->red = true;
        rotate(root, g, !left);
        break;
    }
    root->node->red = false;
}

static void fix_erase(struct rb_root *root, struct rb_node *n, struct rb_node *p) {
    while (p && (!n || !n->red)) {
        bool left = n == p->left;
        struct rb_node *s = left ? p->right : p->left;
        if (s->red) {
            s->red = false;
            p->red = true;
            rotate(root, p, left);
            s = left ? p->right : p->left;
        }
        struct rb_node *near = left ? s->left : s->right, *far = left ? s->right : s->left;
        if ((!near || !near->red) && (!far || !far->red)) {
            s->red = true;
            n = p;
            p = n->parent;
            continue;
        }
        if (!far || !far->red) {
            near->red = false;
            s->red = true;
            rotate(root, s, !left);
            far = s;
            s = near;
        }
        s->red = p->red;
        p->red = false;
        far->red = false;
        rotate(root, p, left);
        return;
    }
    if (n)
        n->red = false;
}

void rb_erase(struct rb_root *root, struct rb_node *n) {
    struct rb_node *child, *parent;
    bool red;
    if (n->left && n->right) {
        struct rb_node *s = n->right;
        while (s->left)
            s = s->left;
        child = s->right;
        red = s->red;
        if (s->parent == n) {
            parent = s;
        } else {
            parent = s->parent;
            replace_child(root, parent, s, child);
            s->right = n->right;
            s->right->parent = s;
        }
        replace_child(root, n->parent, n, s);
        s->left = n->left;
        s->left->parent = s;
        s->red = n->red;
    } else {
        child = n->left ? n->left : n->right;
        parent = n->parent;
        red = n->red;
        replace_child(root, parent, n, child);
    }
    if (!red)
        fix_erase(root, child, parent);
}

struct rb_node *rb_first(const struct rb_root *root) {
    struct rb_node *n = root->node;
    while (n && n->left)
        n = n->left;
    return n;
}
struct rb_node *rb_last(const struct rb_root *root) {
    struct rb_node *n = root->node;
    while (n && n->right)
        n = n->right;
    return n;
}
struct rb_node *rb_next(const struct rb_node *n) {
    if (n->right) {
        n = n->right;
        while (n->left)
            n = n->left;
        return (struct rb_node *)n;
    }
    while (n->parent && n == n->parent->right)
        n = n->parent;
    return n->parent;
}
struct rb_node *rb_prev(const struct rb_node *n) {
    if (n->left) {
        n = n->left;
        while (n->right)
            n = n->right;
        return (struct rb_node *)n;
    }
    while (n->parent && n == n->parent->left)
        n = n->parent;
    return n->parent;
}
