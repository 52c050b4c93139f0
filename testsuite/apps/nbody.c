// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The orbits of the four giant planets around the Sun, by a symplectic integrator with a fixed
// step of 0.01 days. Prints the system's total energy before and after ARGV[1] steps; the closer
// the two, the better the integrator.
//
// Units: astronomical units, years (of 365.24 days), and masses such that G = 1 and the Sun
// weighs 4 pi^2.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define PI 3.141592653589793
#define SOLAR_MASS (4 * PI * PI)
#define DAYS 365.24

struct vec {
    double x, y, z;
};

struct body {
    struct vec position, velocity;
    double mass;
};

enum { SUN, JUPITER, SATURN, URANUS, NEPTUNE, BODIES };

static struct body sky[BODIES] = {
    [SUN] = {{0, 0, 0}, {0, 0, 0}, SOLAR_MASS},
    [JUPITER] = {{4.84143144246472090e+00, -1.16032004402742839e+00, -1.03622044471123109e-01},
                 {1.66007664274403694e-03 * DAYS, 7.69901118419740425e-03 * DAYS,
                  -6.90460016972063023e-05 * DAYS},
                 9.54791938424326609e-04 * SOLAR_MASS},
    [SATURN] = {{8.34336671824457987e+00, 4.12479856412430479e+00, -4.03523417114321381e-01},
                {-2.76742510726411899e-03 * DAYS, 4.99852801234917238e-03 * DAYS,
                 2.30417297573763929e-05 * DAYS},
                2.85885980666130812e-04 * SOLAR_MASS},
    [URANUS] = {{1.28943695621391310e+01, -1.51111514016986312e+01, -2.23307578892655734e-01},
                {2.96460137564761618e-03 * DAYS, 2.37847173959480950e-03 * DAYS,
                 -2.96589568540237556e-05 * DAYS},
                4.36624404335156298e-05 * SOLAR_MASS},
    [NEPTUNE] = {{1.53796971148509165e+01, -2.59193146099879641e+01, 1.79258772950371181e-01},
                 {2.68067772490389322e-03 * DAYS, 1.62824170038242295e-03 * DAYS,
                  -9.51592254519715870e-05 * DAYS},
                 5.15138902046611451e-05 * SOLAR_MASS},
};

static struct vec minus(struct vec a, struct vec b)
{
    return (struct vec){a.x - b.x, a.y - b.y, a.z - b.z};
}

static double dot(struct vec a, struct vec b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

static void add_scaled(struct vec *a, struct vec b, double factor)
{
    a->x += b.x * factor;
    a->y += b.y * factor;
    a->z += b.z * factor;
}

// Gives the Sun the velocity that brings the total momentum to zero.
static void stop_drift(void)
{
    for (int i = JUPITER; i < BODIES; i++)
        add_scaled(&sky[SUN].velocity, sky[i].velocity, -sky[i].mass / SOLAR_MASS);
}

static double energy(void)
{
    double total = 0;
    for (int i = 0; i < BODIES; i++) {
        total += 0.5 * sky[i].mass * dot(sky[i].velocity, sky[i].velocity);
        for (int j = i + 1; j < BODIES; j++) {
            struct vec apart = minus(sky[i].position, sky[j].position);
            total -= sky[i].mass * sky[j].mass / sqrt(dot(apart, apart));
        }
    }
    return total;
}

static void step(double dt)
{
    for (int i = 0; i < BODIES; i++) {
        for (int j = i + 1; j < BODIES; j++) {
            struct vec apart = minus(sky[i].position, sky[j].position);
            double squared = dot(apart, apart);
            double pull = dt / (squared * sqrt(squared));
            add_scaled(&sky[i].velocity, apart, -sky[j].mass * pull);
            add_scaled(&sky[j].velocity, apart, sky[i].mass * pull);
        }
    }
    for (int i = 0; i < BODIES; i++)
        add_scaled(&sky[i].position, sky[i].velocity, dt);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: nbody STEPS\n");
        return 2;
    }
    long steps = strtol(argv[1], NULL, 10);
    stop_drift();
    printf("%.9f\n", energy());
    for (long i = 0; i < steps; i++)
        step(0.01);
    printf("%.9f\n", energy());
    return 0;
}
