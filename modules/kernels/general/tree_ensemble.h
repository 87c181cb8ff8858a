/* TreeEnsemble: each tree leads a row of features to a leaf, whose votes are gathered by target, trees in order.
 *   FLEET_X              type of features, splits, votes and y
 *   FLEET_FIRST          what a target begins with
 *   FLEET_GATHER(a, v)   one more vote
 * nodes: [count][7] feature, mode, where to go if true, if false, whether NaN is true, first and last member (MEMBER only);
 * a place below zero is leaf -1 - place. leaves: [count + 1] where the votes of each begin. */
#include <stdbool.h>
#include <stdint.h>

#ifndef FLEET_GENERAL_TREE_ENSEMBLE_H
#define FLEET_GENERAL_TREE_ENSEMBLE_H
struct fleet_tree_ensemble {
    int32_t rows, features, trees, targets;
};
enum { FLEET_LEQ, FLEET_LT, FLEET_GTE, FLEET_GT, FLEET_EQ, FLEET_NEQ, FLEET_MEMBER };
#endif

static void FLEET_KERNEL(const struct fleet_tree_ensemble *p, const FLEET_X *x, const int32_t *roots, const int32_t *nodes,
                         const FLEET_X *splits, const FLEET_X *members, const int32_t *leaves, const int32_t *targets,
                         const FLEET_X *votes, FLEET_X *y)
{
    for (int32_t r = 0; r < p->rows; ++r, x += p->features, y += p->targets) {
        for (int32_t t = 0; t < p->targets; ++t) {
            y[t] = FLEET_FIRST;
        }
        for (int32_t tree = 0; tree < p->trees; ++tree) {
            int32_t place = roots[tree];
            while (place >= 0) {
                const int32_t *node = nodes + 7 * place;
                const FLEET_X value = x[node[0]], split = splits[place];
                bool yes = false;
                switch (node[1]) {
                case FLEET_LEQ: yes = value <= split; break;
                case FLEET_LT: yes = value < split; break;
                case FLEET_GTE: yes = value >= split; break;
                case FLEET_GT: yes = value > split; break;
                case FLEET_EQ: yes = value == split; break;
                case FLEET_NEQ: yes = value != split; break;
                default:
                    for (int32_t m = node[5]; m < node[6]; ++m) {
                        yes = yes || value == members[m];
                    }
                }
                place = node[yes || (node[4] && value != value) ? 2 : 3];
            }
            for (int32_t v = leaves[-1 - place]; v < leaves[-place]; ++v) {
                FLEET_X *target = y + targets[v];
                *target = FLEET_GATHER(*target, votes[v]);
            }
        }
    }
}
